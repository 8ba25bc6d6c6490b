"""Hears at once of jobs in queues where no worker waits: those of patterns. A worker is called there the same moment.

Whoever brings a job in sets the queue's wake token, as everywhere; nothing is asked of producers and scripts for this.

    wake tokens of all quiet queues ─▶ one comes ─▶ it is put back ─▶ its queue, and others with one, are called
       ▲                                                                   │
       └─ those without one, after a moment; those with one once it is gone ◀┘

A token that is lost on the way the next look replaces (`pattern_queues`). In a cluster tokens are in several places:
there the look is all.
"""

from __future__ import annotations

import random
import select
import threading
import time
from collections.abc import Sequence

from jqjobs.base import log
from jqjobs.base.wakeup import Wakeup
from jqjobs.errors import StoreError
from jqjobs.link.queue_choice import is_like
from jqjobs.store import keys
from jqjobs.store.address import Address
from jqjobs.store.calls.turns import call_workers
from jqjobs.store.freshness import freshen
from jqjobs.store.outage import Failures
from jqjobs.store.store import Store
from jqjobs.store.wire import Argument, Wire, raise_first, raised

#: Of so many queues tokens are waited for, 1.5 ms of Redis each time; of the rest the look finds them.
MOST_WATCHED = 2000
#: Redis ends the wait after this long; a connection that says nothing for longer is half-open.
_BLOCK_S, _SILENT_S = 20, 30.0
#: No single reply may take longer, so that the end is never far.
_TIMEOUT_S = 1.0
#: So long between two waits, at least and at most: so many times as long as it took to see to what came.
_APART_S, _APART_AT_MOST_S, _APART_TIMES = 0.02, 0.4, 20
#: Whether tokens that stood are gone is looked at after this long, then after twice as long, and so on.
_AGAIN_S, _AGAIN_AT_MOST_S = 0.05, 0.8


class TokenWatch(threading.Thread):
    """One per daemon that serves patterns. `watch` and `end` are for its lease thread; all else happens in here."""

    def __init__(self, address: Address, patterns: Sequence[str]) -> None:
        super().__init__(name="jqjobs-tokens", daemon=True)
        self._patterns = patterns
        self._store = Store(address, timeout_s=_TIMEOUT_S, name="jqd-tokens")
        self._line = Wire(address, timeout_s=_TIMEOUT_S, name="jqd-tokens")
        self._wanted: Sequence[str] = ()
        #: Whose tokens Redis waits for, by key; since when.
        self._asked: dict[bytes, str] = {}
        self._asked_s = 0.0
        #: Whose tokens stand: workers have been called there, and are still to come.
        self._standing: set[str] = set()
        self._again_s, self._look_s = _AGAIN_S, 0.0
        self._failures = Failures(random.Random())
        self._wakeup = Wakeup()
        self._ending = threading.Event()

    def watch(self, queues: Sequence[str]) -> None:
        """Watch these from now on; none: another daemon does."""
        self._wanted = queues[:MOST_WATCHED]
        self._wakeup.ring()

    def end(self) -> None:
        """End, in a moment if Redis lets it. Once."""
        self._ending.set()
        self._wakeup.ring()
        self.join(_TIMEOUT_S)

    def run(self) -> None:
        """Watch until `end`; an outage of Redis is waited out, and said by the lease thread."""
        while not self._ending.is_set():
            try:
                self.turn()
                self._failures.clear()
            except StoreError:
                self._failures.add()
                self._cancel()
                self._ending.wait(self._failures.pause_s())
            except Exception:
                log.event("keeper.error", level=log.CRITICAL, exc_info=True)
                self._ending.wait(_AGAIN_AT_MOST_S)
        self._line.close()
        self._store.close()
        self._wakeup.close()

    def turn(self) -> None:
        """Wait for a token, or for whatever else there is to do next; do that. Raises: StoreError."""
        if self._standing and time.monotonic() >= self._look_s:
            self._look_again()
        if self._asked and self._line.poll(0):  # else what has come is lost if Redis is asked anew
            return self._hear()
        self._ask()
        if self._wait():
            self._hear()
        return None

    def _ask(self) -> None:
        """Have Redis wait for the tokens that are missing in those for which it waits; for none if none is wanted."""
        quiet = [queue for queue in self._wanted if queue not in self._standing]
        is_silent = time.monotonic() - self._asked_s > _SILENT_S
        if self._asked and quiet and not is_silent and set(self._asked.values()).issuperset(quiet):
            return
        self._cancel()
        if quiet:
            tokens = [self._store.address.key(keys.wake(queue)) for queue in quiet]
            self._line.send(("BZPOPMIN", *tokens, _BLOCK_S))
            self._asked = dict(zip(map(str.encode, tokens), quiet, strict=True))
            self._asked_s = time.monotonic()

    def _cancel(self) -> None:
        if self._asked:
            self._line.close()
            self._asked = {}

    def _wait(self) -> bool:
        """Return whether Redis has answered."""
        poll = select.poll()
        poll.register(self._wakeup.fileno(), select.POLLIN)
        if self._asked:
            poll.register(self._line.fileno(), select.POLLIN)
        until_s = self._look_s if self._standing else time.monotonic() + _BLOCK_S
        ready = [each for each, _ in poll.poll(max(0.0, until_s - time.monotonic()) * 1000)]
        self._wakeup.clear()
        return self._line.fileno() in ready

    def _hear(self) -> None:
        """Call workers to the queue whose token has come, and to others with one; nothing comes after a long wait."""
        asked, self._asked = self._asked, {}
        began_s, reply = time.monotonic(), raised(self._line.reply())
        if reply is None:
            return
        first = asked[reply[0]]
        freshen(self._store.wire)
        self._store.wire.call("ZADD", reply[0], 0, 1)  # it may be somebody else's who waits for this queue alone
        self._call([first])
        found = self._with_token([queue for queue in self._wanted if queue != first])
        self._call([queue for queue in found if queue not in self._standing])
        self._standing = {first, *found}
        self._again_s = _AGAIN_S
        now_s = time.monotonic()
        self._look_s = now_s + _AGAIN_S
        self._ending.wait(min(max(_APART_S, _APART_TIMES * (now_s - began_s)), _APART_AT_MOST_S))

    def _call(self, queues: Sequence[str]) -> None:
        for pattern in self._patterns:
            if mine := [queue for queue in queues if is_like(queue, [pattern])]:
                self._store.run(call_workers(pattern, mine))

    def _look_again(self) -> None:
        """Find out whose tokens were taken, so that the next ones are waited for; what stands may be a next one."""
        found = self._with_token([queue for queue in self._wanted if queue in self._standing])
        self._call(found)
        self._standing = set(found)
        self._again_s = min(2 * self._again_s, _AGAIN_AT_MOST_S)
        self._look_s = time.monotonic() + self._again_s

    def _with_token(self, queues: Sequence[str]) -> list[str]:
        looks: list[Sequence[Argument]] = [("EXISTS", self._store.address.key(keys.wake(queue))) for queue in queues]
        found = raise_first(self._store.wire.pipeline(looks)) if looks else []
        return [queue for queue, count in zip(queues, found, strict=True) if count]
