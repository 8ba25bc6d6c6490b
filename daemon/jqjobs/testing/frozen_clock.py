"""The clock of jobs in tests: it stands still."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from jqjobs.base.clock import Duration, duration_ms

#: Where it begins: 2026-01-01 00:00 UTC.
_BEGIN_MS = 1_767_225_600_000


class FrozenClock:
    """A clock that moves only when told."""

    def __init__(self, now_ms: int = _BEGIN_MS, pass_time: Callable[[int, bool], None] | None = None) -> None:
        """``pass_time``: does what is to happen until a moment, before that has come; see `advance`."""
        self.now_ms = now_ms
        self._pass_time = pass_time

    def __call__(self) -> int:
        return self.now_ms

    @property
    def now(self) -> datetime:
        """What it shows, in UTC. It may be set, to begin elsewhere: then no tick comes on the way."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    @now.setter
    def now(self, moment: datetime) -> None:
        self.now_ms = round(moment.timestamp() * 1000)

    def advance(self, span: Duration, *, outage: bool = False) -> None:
        """Let time pass: seconds, or text such as ``"10m"``; each tick of a periodic job on the way is enqueued.

        ``outage``: nobody is there to see ticks until the end; what becomes of them, their schedules say.
        """
        until_ms = self.now_ms + duration_ms(span)
        if self._pass_time is not None:
            self._pass_time(until_ms, outage)
        self.now_ms = until_ms
