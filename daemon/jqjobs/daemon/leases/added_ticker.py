"""Ticks the schedules that were added at run time: any number of them, and who has none to tick asks for none.

`Ticker` hears with each look at an agenda when the first of them comes; only then the next ones are read, a batch at a
time. When one comes next is worked out here and noted in Redis with the tick, for all daemons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from jqjobs.base import log
from jqjobs.errors import JqError, StoreError
from jqjobs.jobs.timetable import Due, before_end, due, read_entry
from jqjobs.store.call import Call
from jqjobs.store.calls.added import AddedTick, coming, tick_added
from jqjobs.store.calls.schedules import Planned, TickAnswer, Ticked
from jqjobs.store.store import Store

#: So many are ticked at a time, between two looks at all else that is due in the thread.
_MOST = 100
#: One that cannot be used is looked at again then; it may have been mended.
_BROKEN_MS = 600_000


class _Ticking(NamedTuple):
    """A schedule whose moment has come, as read at ``now_ms``; what to do about that, and when it comes next."""

    planned: Planned
    now_ms: int
    what: Due | None
    next_ms: int | None


class AddedTicker:
    """The part of a `Ticker` that knows no schedule by heart."""

    def __init__(
        self, store: Store, complain: Callable[[str, JqError], None], forget_complaints: Callable[[str], None]
    ) -> None:  # fmt: skip
        self._store = store
        self._complain = complain
        self._forget_complaints = forget_complaints

    def tick(self, queue: str, first_ms: int | None, now_ms: int) -> int | None:
        """Tick what is due, if the first one is; return when the first one comes after that, None: none does.

        Raises: StoreUnavailable.
        """
        if first_ms is None or first_ms > now_ms:
            return first_ms
        try:
            now_ms, found = self._store.run(coming(queue, _MOST))
        except StoreError as error:
            self._complain(queue, error)
            return None
        ticking = [self._plan(queue, planned, now_ms) for planned in found]
        answers = self._store.run_many([_call(queue, each) for each in ticking])
        for each, answer in zip(ticking, answers, strict=True):
            name = f"{queue}/{each.planned.name}"
            if isinstance(answer, StoreError):
                self._complain(name, answer)
            else:
                self._note(name, each, answer.ticked, now_ms)
        last = answers[-1] if answers else None
        return last.next_ms if isinstance(last, AddedTick) and not _any_failed(answers) else None

    def _plan(self, queue: str, planned: Planned, now_ms: int) -> _Ticking:
        try:
            return _Ticking(planned, now_ms, *due_and_next(planned, now_ms))
        except JqError as error:
            self._complain(f"{queue}/{planned.name}", error)
            return _Ticking(planned, now_ms, None, now_ms + _BROKEN_MS)

    def _note(self, name: str, each: _Ticking, ticked: Ticked, now_ms: int) -> None:
        if ticked.answer is not TickAnswer.DONE:
            return
        if each.what is not None:
            self._forget_complaints(name)
            log_ticked(name, each.what, ticked, now_ms)
        if each.next_ms is None:
            log.event("schedule.ended", schedule=name)


def _call(queue: str, each: _Ticking) -> Call[AddedTick]:
    planned, what = each.planned, each.what
    since_ms = what.since_ms if what else each.now_ms if planned.since_ms is None else planned.since_ms
    ticks = what.ticks if what else ()
    return tick_added(queue, planned.name, planned.since_ms, since_ms, each.next_ms, ticks)


def _any_failed(answers: Sequence[AddedTick | StoreError]) -> bool:
    """Whether one of them stays where it is, so that it must not be asked for again at once."""
    return any(isinstance(answer, StoreError) for answer in answers)


def due_and_next(planned: Planned, now_ms: int) -> tuple[Due | None, int | None]:
    """Return what to do about a schedule now, and when it comes next; None: never again.

    Raises: InvalidOption, ConfigError for an entry that cannot be used.
    """
    entry = planned.entry or {}
    times, policy = read_entry(entry)
    what = due(times, policy, planned.since_ms, now_ms)
    since_ms = what.since_ms if what else planned.since_ms or now_ms
    if what is not None:
        what = what._replace(ticks=tuple(tick for tick in what.ticks if before_end(entry, tick) is not None))
    return what, before_end(entry, times.after(since_ms))


def log_ticked(name: str, what: Due, ticked: Ticked, now_ms: int) -> None:
    """Say what was not as it should be about ticks that this daemon did."""
    if what.missed:
        late_ms = now_ms - what.since_ms
        log.event("schedule.missed", level=log.WARNING, schedule=name, tick_ms=what.since_ms, late_ms=late_ms)
    if ticked.made < len(what.ticks):
        log.event("schedule.overlaps", level=log.DEBUG, schedule=name, skipped=len(what.ticks) - ticked.made)
