"""The next trip of a worker, made of what it reports and asks for: a fast one where that will do, else a whole one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from jqjobs.errors import StoreError
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls import trips
from jqjobs.store.calls.fast_trips import fast_trip, read_scripts
from jqjobs.store.calls.trips import Trip, Way
from jqjobs.worker.trips.fast_trips import FastTrips
from jqjobs.worker.trips.legs import Legs
from jqjobs.worker.trips.queue_order import QueueOrder
from jqjobs.worker.trips.reports import Report
from jqjobs.worker.trips.suspects import Allowed, SuspectTurn
from jqjobs.worker.trips.tail import Tail


class Packet(msgspec.Struct):  # not a dataclass: there is one a trip
    """A trip on its way. ``want``, ``free``: see `Exchanger.send`."""

    call: Call[Trip]
    report: Report
    want: int
    free: int
    sent_ms: int
    is_fast: bool = False
    is_resync: bool = False
    asked_suspects: bool = False
    #: What has come already, on another connection; see `WakeTrip`. ``stands_until_ms``: when that is overdue.
    answer: Any = None
    stands_until_ms: float = 0.0
    #: Of a leg: its queue, all of the trip, and why it could not be sent.
    queue: str = ""
    legs: Legs | None = None
    unsent: StoreError | None = None


class Packer:
    """One per worker."""

    def __init__(
        self, order: QueueOrder, worker_id: str, lease_ms: int, fast: FastTrips, suspects: SuspectTurn, tail: Tail
    ) -> None:  # fmt: skip
        #: In which whole trips ask the queues.
        self.order = order
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._fast = fast
        self._suspects = suspects
        self._tail = tail
        #: Of the last trip.
        self.number = 0
        #: With one slot: so many that come now will have started in a moment, see `trips.exchange`.
        self.soon = 0
        #: Makes a whole trip; of queues in several places it makes legs, see `split_trips`.
        self.whole: Callable[[Report, int, int, Sequence[TakenJob] | None, int], Packet] = self._whole_one
        read_scripts()

    def pack(self, report: Report, want: int, free: int, in_hand: Sequence[TakenJob] | None, now_ms: int) -> Packet:
        """Return the trip with the next number. ``in_hand``: of a resync; None: none is called for."""
        self.number += 1
        if want > 0 and in_hand is None and self._fast.may_go(now_ms) and self._is_plain(report):
            return self._fast_one(report, want, free, now_ms)
        return self.whole(report, want, free, in_hand, now_ms)

    def _is_plain(self, report: Report) -> bool:
        """Return whether a fast trip can take it along, and nobody listens to what it says."""
        if report.outcomes or self._tail.is_on:
            return False
        queue = self._fast.queue
        # A list: a generator takes longer.
        return not [job for job in report.done if job.attempt != 1 or job.limits or job.queue != queue]

    def _fast_one(self, report: Report, want: int, free: int, now_ms: int) -> Packet:
        assert self._fast.queue is not None
        redis_ms = now_ms + self._fast.clock_offset_ms
        call = fast_trip(self._fast.queue, self._worker_id, self.number, want, done=report.done, now_ms=redis_ms)
        return Packet(call, report, want, free, now_ms, is_fast=True)

    def wake(self, want: int, free: int, now_ms: int) -> Packet:
        """Return the trip with the next number, to stand behind the wait of an idle worker; see `WakeTrip`."""
        self.number += 1
        return self._whole_one(Report([], []), want, free, None, now_ms, is_wake=True)

    def _whole_one(
        self, report: Report, want: int, free: int, in_hand: Sequence[TakenJob] | None, now_ms: int, *,
        is_wake: bool = False,
    ) -> Packet:  # fmt: skip
        suspects = self._suspects.ask(want, free, now_ms)
        way = Way.ALL if in_hand is not None or self._tail.is_on else self._fast.way
        call = trips.exchange(
            self.order.of_next_trip(), self._worker_id, self.number, want, self._lease_ms,
            done=report.done, outcomes=report.outcomes, in_hand=in_hand, tell_settled=report.has_hooked, free=free,
            soon=self.soon, suspects=suspects, is_wake=is_wake, way=way,
        )  # fmt: skip
        is_resync, asked_suspects = in_hand is not None, suspects is not None
        return Packet(call, report, want, free, now_ms, is_resync=is_resync, asked_suspects=asked_suspects)

    def suspects_for(self, want: int, free: int, now_ms: int) -> Allowed | None:
        """Return how many suspects the legs of a trip may bring, see `SuspectTurn.ask`."""
        return self._suspects.ask(want, free, now_ms)

    def leg(self, legs: Legs, queue: str, now_ms: int, *, has_others: bool) -> Packet:
        """Return the leg of a trip to one queue. ``has_others``: the worker has other jobs in hand."""
        self.number += 1
        report = legs.reports.get(queue) or Report([], [])
        suspects = legs.suspects if queue == legs.suspects_in else None
        in_hand = legs.in_hand if queue in legs.doubtful else None
        call = trips.exchange(
            [queue], self._worker_id, self.number, max(0, legs.want), self._lease_ms,
            done=report.done, outcomes=report.outcomes, in_hand=in_hand, tell_settled=report.has_hooked,
            free=legs.free, soon=legs.soon, suspects=suspects, has_others=has_others,
        )  # fmt: skip
        return Packet(
            call, report, legs.want, legs.free, now_ms, is_resync=in_hand is not None,
            asked_suspects=suspects is not None, queue=queue, legs=legs,
        )  # fmt: skip
