"""How an idle worker waits: for a wake token, a signal, a word of its daemon, or a moment, whichever is first."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence

from jqjobs.base.wakeup import Wakeup
from jqjobs.link.channel import Channel
from jqjobs.worker.trips.token_line import TokenLine

#: So often is looked where nothing can be waited for.
_LOOK_S = 0.05


class WakeWait:
    """Connections of its own wait for a wake token of any of the worker's queues, see `TokenLine`."""

    def __init__(
        self, lines: Sequence[TokenLine], channel: Channel, wakeup: Wakeup,
        when_moved: Callable[[], None] | None = None, when_left: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """``when_moved``: called when Redis ends the wait with an error, as a primary does that is one no longer.

        ``when_left``: called when a wait is cancelled: its token may have been on the way, and nobody has it now.
        """
        self._lines = lines
        self._channel = channel
        self._wakeup = wakeup
        self._when_moved = when_moved
        self._when_left = when_left
        #: Whether the daemon may have said something, as far as the last wait saw.
        self.has_word = True

    def wait(self, timeout_s: float, *, for_token: bool = True, but: frozenset[str] = frozenset()) -> bool:
        """Return False after ``timeout_s``, True earlier when there is a reason to look again.

        ``but``: queues whose token says nothing.
        Without Redis, signals and the channel still end the wait; a token is asked for again next time.
        """
        poll = select.poll()  # a selector would cost four system calls more
        lines = {line.fileno(): line for line in self._lines if line.ask(but)} if for_token else {}
        bell, word = self._wakeup.fileno(), self._channel.fileno()
        for descriptor in (bell, *lines):
            poll.register(descriptor, select.POLLIN)
        if not self._channel.closed:
            poll.register(word, select.POLLIN)
        self.has_word = True
        try:
            ready = dict(poll.poll(timeout_s * 1000))
        except OSError:  # a job has left a limit of descriptors below what is waited for here
            time.sleep(min(timeout_s, _LOOK_S))
            return False
        self.has_word = self._channel.closed or word in ready
        is_reason = word in ready or bell in ready
        for descriptor, line in lines.items():
            if descriptor in ready:
                is_reason = line.read() or is_reason
                if line.has_failed and self._when_moved is not None:
                    self._when_moved()
        if bell in ready:
            self._wakeup.clear()
        return is_reason

    def wait_for_word(self, timeout_s: float) -> None:
        """Wait for a signal or a word of the daemon only, in the middle of a batch."""
        self.wait(timeout_s, for_token=False)

    def cancel(self) -> None:
        """Stop waiting for a token: a busy worker must not swallow one that could wake an idle one."""
        has_waited = False
        for line in self._lines:
            has_waited = line.cancel() or has_waited
        if has_waited and self._when_left is not None:
            self._when_left()
