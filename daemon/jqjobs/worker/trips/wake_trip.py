"""The trip that stands in Redis behind the wait of an idle worker, on the connection of that wait.

    BZPOPMIN wake tokens ─┬─ token ─▶ exchange "wake" ─▶ token and jobs: one wake-up of the worker, where a trip of its
                          │                              own would be a second one
                          └─ none  ─▶ exchange "wake" ─▶ NOTHING, which is the look that the poll is due for

The look of one worker is one for all. So in a crowd each waits the longer the more there are: all of them together look
no more often than some.

So the worker has not looked at itself for as long as a poll when the jobs come: it looks before it begins them. And
Redis may have made the trip when the worker leaves the wait without an answer: the next trip is a resync then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import Status
from jqjobs.store.store import Store
from jqjobs.store.wire import Argument
from jqjobs.worker.trips.exchanger import Exchanger

#: It ends so late at most. A host that dies with it has taken a job until then, which waits for the end of its lease.
_MOST_BLOCK_S = 20.0
#: So many workers look once a poll; where there are more, each looks as much more rarely.
_LOOKS_A_POLL = 20
#: But so often all the same: the others may be busy, and no token tells of suspects.
_RAREST_S = 10.0
#: A wait that Redis ends is over so much later at the latest: it looks at the clock 10 times a second.
LATE_S = 0.5


class WakeTrip:
    """One per worker that has all its queues in one place, and none by patterns."""

    def __init__(self, exchanger: Exchanger) -> None:
        self._exchanger = exchanger
        self._want = self._free = self._number = 0
        #: How many workers there were, this one included, when last looked.
        self._workers = 1
        #: How long a wait that begins now takes.
        self.block_s = _MOST_BLOCK_S

    def ask(self, want: int, free: int, poll_s: float) -> None:
        """Say what the next one asks for, see `Exchanger.send`, and when a poll is due."""
        self._want, self._free = want, free
        in_crowd_s = min(poll_s * self._workers / _LOOKS_A_POLL, _RAREST_S)
        self.block_s = min(max(poll_s, in_crowd_s), _MOST_BLOCK_S)

    def command(self) -> Sequence[Argument] | None:
        """Return what is sent behind a wait that begins now; None: no trip, since one of another kind comes first."""
        return self._exchanger.between_trips(self._command)

    def _command(self, store: Store) -> Sequence[Argument] | None:
        exchanger = self._exchanger
        if self._want <= 0 or exchanger.resyncs or exchanger.under_way or exchanger.reports.pending:
            return None
        now_ms = monotonic_ms()
        exchanger.standing = packet = exchanger.packer.wake(self._want, self._free, now_ms)
        packet.stands_until_ms = now_ms + (self.block_s + LATE_S) * 1000
        self._number = exchanger.packer.number
        return store.command(packet.call)

    def hear(self, reply: Any, *, is_woken: bool) -> bool:
        """Take its answer in, which `Exchanger.receive` returns then; whether there is a reason to look.

        ``is_woken``: a token has come, so something has, if only a moment that somebody must watch for.
        """
        exchanger = self._exchanger
        if exchanger.standing is None:  # a resync has put back what it may have taken
            return is_woken
        if reply[0] == Status.NOTHING:
            self._workers = reply[1]
        if reply[0] == Status.NOTHING or (reply[0] == Status.LATE and exchanger.packer.number != self._number):
            exchanger.standing = None
            exchanger.news.is_none = reply[0] == Status.NOTHING and not is_woken
            return is_woken
        exchanger.adopt(reply)
        return True

    def lose(self) -> None:
        """Leave it unanswered: nobody knows whether it was made."""
        if self._exchanger.standing is not None:
            self._exchanger.standing, self._exchanger.resyncs = None, True
