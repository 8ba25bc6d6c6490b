"""A whole trip of a worker whose queues are at several nodes of a cluster: a leg to each queue, in their order.

The first queue is asked without looking; of the others those that have something, or are reported to, until there is
enough. A queue that cannot be served holds up no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls.trips import Trip
from jqjobs.worker.trips.reports import Report
from jqjobs.worker.trips.suspects import Allowed


@dataclass(slots=True)
class Legs:
    """What is left of a trip. ``want``, ``free``, ``soon``, ``suspects``: so many more, see `trips.exchange`.

    ``waiting``: the queues that it has not come to. ``doubtful``: those that are told what is ``in_hand``, since nobody
    knows what became of the last leg there. ``suspects_in``: the one that is asked for suspects, before all others.
    ``must``: where it goes whatever there is. ``visited``: where it has been.
    """

    waiting: list[str]
    reports: dict[str, Report]
    want: int
    free: int
    soon: int
    in_hand: Sequence[TakenJob] | None
    doubtful: set[str]
    suspects: Allowed | None
    suspects_in: str | None
    must: frozenset[str]
    trips: list[Trip] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)
    #: What was reported so far, to all queues.
    recorded: Report = field(default_factory=lambda: Report([], []))
    is_sifted: bool = False
    _is_leaving: bool = False

    def may_be_left_out(self, queue: str) -> bool:
        """Whether a leg to a queue is only for the jobs that it may bring."""
        return not (queue in self.doubtful or queue in self.must or queue in self.reports)

    def sift(self, having_something: set[str]) -> None:
        """Leave out the queues that have nothing and need not be visited."""
        self.waiting = [q for q in self.waiting if q in having_something or not self.may_be_left_out(q)]
        self.is_sifted = True

    def next_to_leave(self, watched: set[str]) -> str | None:
        """Return a queue that is told that this worker is busy now, and comes for nothing that will be due there."""
        if not self._is_leaving and any(trip.jobs for trip in self.trips):
            self._is_leaving, self.want = True, 0
            self.must |= watched
            self.waiting = [queue for queue in self.visited if queue in watched]
        return self.waiting.pop(0) if self.waiting else None

    def record(self, queue: str) -> None:
        """What was reported to a queue is recorded."""
        if report := self.reports.pop(queue, None):
            self.recorded.done.extend(report.done)
            self.recorded.outcomes.extend(report.outcomes)

    def hear(self, queue: str, trip: Trip) -> None:
        """Note what a leg has brought."""
        self.visited.append(queue)
        self.trips.append(trip)
        self.want -= len(trip.jobs)
        self.free = max(0, self.free - len(trip.jobs))
        self.soon = max(0, self.soon - len(trip.jobs))
        if queue == self.suspects_in and any(job.suspicion for job in trip.jobs):
            self.want = 0  # nothing of other queues is taken beside them


def by_queue(report: Report) -> dict[str, Report]:
    """Return what is reported to each queue, of those that anything is."""
    parts: dict[str, Report] = {}
    for job in report.done:
        parts.setdefault(job.queue, Report([], [])).done.append(job)
    for outcome in report.outcomes:
        parts.setdefault(outcome.job.queue, Report([], [])).outcomes.append(outcome)
    return parts


def merged(trips: Sequence[Trip], tailed: Iterable[str]) -> Trip:
    """Return the answers of all legs as one. ``tailed``: further queues to which somebody listens."""
    last, waits = trips[-1], [trip.wait_ms for trip in trips if trip.wait_ms is not None]
    return Trip(
        last.status, last.now_ms, min(waits, default=None), any(trip.more for trip in trips),
        tuple(queue for trip in trips for queue in trip.inboxes),
        tuple(job_id for trip in trips for job_id in trip.stale),
        tuple(job_id for trip in trips for job_id in trip.lost),
        [job for trip in trips for job in trip.jobs],
        tuple(problem for trip in trips for problem in trip.broken),
        {job_id: settled for trip in trips for job_id, settled in trip.settled.items()},
        (*tailed, *(queue for trip in trips for queue in trip.tailed)),
        next((trip.left_in for trip in reversed(trips) if trip.jobs), None),
        leaving=tuple(queue for trip in trips for queue in trip.leaving),
    )  # fmt: skip
