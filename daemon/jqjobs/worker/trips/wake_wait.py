"""How an idle worker waits: for a wake token, a signal, a word of its daemon, or a moment, whichever is first."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence

from jqjobs.base.wakeup import Wakeup
from jqjobs.errors import StoreError
from jqjobs.link.channel import Channel
from jqjobs.store import keys
from jqjobs.store.wire import Wire, raised

#: Redis ends the wait for a token after this long; a connection that says nothing for longer is half-open.
_BLOCK_S = 20
_SILENT_S = 30.0
#: So often is looked where nothing can be waited for.
_LOOK_S = 0.05


class WakeWait:
    """A connection of its own that waits for a wake token (BZPOPMIN) of any of the worker's queues."""

    def __init__(
        self, wire: Wire, queues: Sequence[str], channel: Channel, wakeup: Wakeup,
        when_moved: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """``when_moved``: called when Redis ends the wait with an error, as a primary does that is one no longer."""
        self._wire = wire
        self._tokens = {queue: wire.address.key(keys.wake(queue)) for queue in queues}
        self._channel = channel
        self._wakeup = wakeup
        self._when_moved = when_moved
        self._asked_at = 0.0
        #: The queues whose tokens are not waited for.
        self._but: frozenset[str] = frozenset()

    def wait(self, timeout_s: float, *, for_token: bool = True, but: frozenset[str] = frozenset()) -> bool:
        """Return False after ``timeout_s``, True earlier when there is a reason to look again.

        ``but``: queues whose token says nothing.
        Without Redis, signals and the channel still end the wait; a token is asked for again next time.
        """
        is_asked = for_token and self._ask(but)
        poll = select.poll()  # a selector would cost four system calls more
        poll.register(self._wakeup, select.POLLIN)
        if not self._channel.closed:
            poll.register(self._channel, select.POLLIN)
        token = self._wire.fileno() if is_asked else -1
        if is_asked:
            poll.register(token, select.POLLIN)
        try:
            ready = [descriptor for descriptor, _ in poll.poll(timeout_s * 1000)]
        except OSError:  # a job has left a limit of descriptors below what is waited for here
            time.sleep(min(timeout_s, _LOOK_S))
            return False
        if token in ready:
            self._read()
        if self._wakeup.fileno() in ready:
            self._wakeup.clear()
        return bool(ready)

    def wait_for_word(self, timeout_s: float) -> None:
        """Wait for a signal or a word of the daemon only, in the middle of a batch."""
        self.wait(timeout_s, for_token=False)

    def cancel(self) -> None:
        """Stop waiting for a token: a busy worker must not swallow one that could wake an idle one."""
        if self._asked_at:
            self._wire.close()
            self._asked_at = 0.0

    def _ask(self, but: frozenset[str]) -> bool:
        if self._asked_at and (but != self._but or time.monotonic() - self._asked_at > _SILENT_S):
            self.cancel()
        if self._asked_at:
            return True
        tokens = [token for queue, token in self._tokens.items() if queue not in but]
        if not tokens:
            return False
        self._but = but
        try:
            self._wire.send(("BZPOPMIN", *tokens, _BLOCK_S))
        except StoreError:
            return False
        self._asked_at = time.monotonic()
        return True

    def _read(self) -> None:
        self._asked_at = 0.0
        try:
            raised(self._wire.reply())
        except StoreError:
            self._wire.close()
            if self._when_moved is not None:
                self._when_moved()
