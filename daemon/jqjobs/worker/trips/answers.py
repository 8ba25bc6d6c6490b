"""What the answer of a trip changes in a worker: what is recorded, what is in hand now, and what comes next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import JqError
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind, Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls.trips import Settled, Trip
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.broken_queues import BrokenQueues
from jqjobs.worker.trips.fast_trips import FastTrips
from jqjobs.worker.trips.packets import Packet
from jqjobs.worker.trips.queue_order import QueueOrder
from jqjobs.worker.trips.reports import Report
from jqjobs.worker.trips.suspects import SuspectTurn
from jqjobs.worker.trips.tail import Tail


class Fenced(JqError):
    """The worker has no lease any more; what it had in hand runs elsewhere."""


class Answers:
    """One per worker; hears what is neither lost nor FENCED nor LATE."""

    def __init__(
        self, worker_id: str, batch: Batch, fast: FastTrips, order: QueueOrder, suspects: SuspectTurn,
        complete: Callable[[Iterable[TakenJob]], None], tail: Tail,
    ) -> None:  # fmt: skip
        """``complete``: fills in what jobs leave to their registration."""
        self._worker_id = worker_id
        self._batch = batch
        self._fast = fast
        self._order = order
        self._suspects = suspects
        self._complete = complete
        self._tail = tail
        self._broken = BrokenQueues()
        #: Outcomes that hooks wait for and that are recorded by now, with what became of the job; see `HookQueue`.
        self.recorded: deque[tuple[Outcome, Settled | None]] = deque()

    def hear(self, packet: Packet, trip: Trip) -> bool:
        """Take an answer in; whether that was all. Else a whole trip follows at once."""
        if not packet.is_fast:
            self._hear_whole(packet, trip)
            return True
        if trip.status is Status.FULL:
            self._batch.reports.put_back(packet.report)
        else:
            self._record(packet, trip)
        if self._fast.went(trip, packet.sent_ms):
            return True
        self._fast.begin_anew()
        return False

    def _hear_whole(self, packet: Packet, trip: Trip) -> None:
        self._fast.went_whole(trip, packet.sent_ms, monotonic_ms())
        if trip.tailed or self._tail.is_on:
            self._tail.hear(trip, packet.report, packet.sent_ms)
        self._suspects.hear(trip, asked=packet.asked_suspects)
        self._record(packet, trip)
        self._broken.hear(trip.broken)

    def hear_leg(self, packet: Packet, trip: Trip) -> None:
        """Take in what one leg of a whole trip has brought, and record what it reported."""
        if packet.asked_suspects:
            self._suspects.hear(trip, asked=True)
        self._record(packet, trip)

    def hear_legs(self, report: Report, sent_ms: int, trip: Trip) -> None:
        """Take in the rest, which is about all queues. ``report``: all that was recorded."""
        self._fast.went_whole(trip, sent_ms, monotonic_ms())
        if trip.tailed or self._tail.is_on:
            self._tail.hear(trip, report, sent_ms)
        self._broken.hear(trip.broken)

    def _record(self, packet: Packet, trip: Trip) -> None:
        self._batch.reports.recorded(packet.report)
        for job in trip.jobs:
            job.taken_ms = trip.now_ms
        self._order.took(trip.jobs)
        self._complete(trip.jobs)
        self._batch.add(trip.jobs)
        if packet.report.outcomes or trip.stale:
            self._look_at_stale(packet, trip)

    def _look_at_stale(self, packet: Packet, trip: Trip) -> None:
        for outcome in packet.report.outcomes:
            if outcome.after is not None:
                job_id = outcome.job.id
                settled = None if job_id in trip.stale else trip.settled.get(job_id, ("gone", ""))
                self.recorded.append((outcome, settled))
        if trip.stale and not packet.is_resync:
            given_back = {outcome.job.id for outcome in packet.report.outcomes if outcome.kind is Kind.RELEASED}
            stale = [job_id for job_id in trip.stale if job_id not in given_back]
            if stale:  # of what was given back: the daemon was quicker, see Word.RECALL
                log.event("settle.stale", level=log.WARNING, jobs=",".join(stale[:10]), worker=self._worker_id)
