"""What has ended in a worker and is not recorded in Redis yet; the next trip takes it along.

Slots and the monitor thread add, whoever makes a trip takes: one taker at a time, see `Exchanger`. Lists do that
without a lock.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from jqjobs.jobs import not_run
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board_layout import Stage
from jqjobs.link.worker_board import WorkerBoard

T = TypeVar("T")

#: A report is bounded, so that the trip that takes it along is no long call: so many outcomes and jobs with limits, an
#: outcome of so many bytes more counting as two. Other plain successes cost next to nothing.
_MOST_WEIGHT, _BYTES = 64, 4096


class Report(NamedTuple):
    """What one trip reports. ``done``: jobs that succeeded with nothing to say; ``outcomes``: how the others ended."""

    done: list[TakenJob]
    outcomes: list[Outcome]

    @property
    def has_hooked(self) -> bool:
        """Whether hooks wait for one of them."""
        return bool(self.outcomes) and any(outcome.after is not None for outcome in self.outcomes)


class Reports:
    """All that is still to be reported, ``done`` and ``outcomes`` as in `Report`; each keeps its place on the board."""

    def __init__(self, board: WorkerBoard) -> None:
        self._board = board
        self.done: list[TakenJob] = []
        self.outcomes: list[Outcome] = []
        #: Whether hooks wait for one of the outcomes.
        self.has_hooked = False
        #: Whether the last report left something out that was there already.
        self.was_cut_short = False

    @property
    def pending(self) -> bool:
        """Whether there is anything to report."""
        return bool(self.done or self.outcomes)

    def add(self, outcome: Outcome) -> None:
        """Have an outcome reported; a job that is ``done`` is appended there."""
        self.outcomes.append(outcome)
        self.has_hooked = self.has_hooked or outcome.after is not None  # after it is there: `take` clears it first

    def release(self, job: TakenJob) -> None:
        """Have a job reported that goes back unstarted."""
        self._board.mark(job.place, Stage.RELEASED, 0)
        self.outcomes.append(not_run.released(job))

    def take(self, *, is_all: bool = False) -> Report:
        """Return what is to be reported next, and forget it; the rest, unless ``is_all``, is still `pending`."""
        self.has_hooked = self.was_cut_short = False
        outcomes = self._take_outcomes(is_all=is_all) if self.outcomes else []
        count = there = len(self.done)
        if not is_all:
            count = _fitting_done(self.done, _MOST_WEIGHT - len(outcomes))
            self.was_cut_short = self.was_cut_short or count < there
        return Report(_taken_from(self.done, count), outcomes)

    def _take_outcomes(self, *, is_all: bool) -> list[Outcome]:
        there = len(self.outcomes)
        count = there if is_all else _fitting(self.outcomes)
        self.was_cut_short = count < there
        outcomes = _taken_from(self.outcomes, count)
        self.has_hooked = self.has_hooked or any(outcome.after is not None for outcome in self.outcomes)
        return outcomes

    def put_back(self, report: Report) -> None:
        """Remember again what did not get through."""
        self.done[:0] = report.done
        self.outcomes[:0] = report.outcomes
        self.has_hooked = self.has_hooked or report.has_hooked

    def recorded(self, report: Report) -> None:
        """Free the places of what Redis has recorded."""
        self._board.free([job.place for job in report.done])
        if report.outcomes:
            self._board.free([outcome.job.place for outcome in report.outcomes])


def _fitting(outcomes: list[Outcome]) -> int:
    """Return how many of these one trip reports, one at least."""
    weight = 0
    for count, outcome in enumerate(outcomes):
        weight += 1 + (len(outcome.line) + len(outcome.result)) // _BYTES
        if weight > _MOST_WEIGHT:
            return max(1, count)
    return len(outcomes)


def _fitting_done(done: list[TakenJob], most: int) -> int:
    """Return how many of these one trip reports, with ``most`` that have limits."""
    limited = [n for n, job in enumerate(done) if job.limits]
    return limited[max(0, most)] if len(limited) > most else len(done)


def _taken_from(items: list[T], count: int) -> list[T]:
    """Take the first ones from a list to which other threads append."""
    taken = items[:count]
    del items[:count]
    return taken
