"""Whole trips of a worker whose queues are at several nodes of a cluster, each made of `Legs`.

    first leg is sent ─▶ its answer is read ─▶ which queues have anything? ─▶ leg, leg, … ─▶ one answer

What legs bring is in the batch at once, whatever becomes of later ones; what could not be said to a queue is kept
(`Unserved`). A node that stands still has one leg to be silent in, then a moment every few seconds (`SilentNodes`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError
from jqjobs.jobs.records import Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store import keys
from jqjobs.store.calls.trips import Trip
from jqjobs.store.going_on import be_brief
from jqjobs.store.reads.presence import without_any
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.store import Store
from jqjobs.worker.trips.answers import Answers, Fenced
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.legs import Legs, by_queue, merged
from jqjobs.worker.trips.packets import Packer, Packet
from jqjobs.worker.trips.queue_order import QueueOrder
from jqjobs.worker.trips.reports import Report
from jqjobs.worker.trips.tail import Tail
from jqjobs.worker.trips.unserved import Unserved

#: A queue without any of these has nothing for a worker. What expires without a word a daemon sees, as it keeps house.
_PARTS = ("ready", "inbox", "scheduled", "suspects", "cancels")


class SplitTrips:
    """One per worker, for its `Exchanger`. ``woken``: queues whose wake token it has had, to be put back if need be."""

    def __init__(
        self, store: Store, order: QueueOrder, packer: Packer, answers: Answers, batch: Batch, tail: Tail,
        woken: set[str], nodes: SilentNodes, unserved: Unserved,
    ) -> None:  # fmt: skip
        self._woken = woken
        self._store = store
        self._nodes = nodes
        self._order = order
        self._packer = packer
        packer.whole = self.begin
        self._answers = answers
        self._batch = batch
        self._tail = tail
        #: Where others rely on it to come when something is due.
        self._watched: set[str] = set()
        self._unserved = unserved

    def begin(self, report: Report, want: int, free: int, in_hand: Sequence[TakenJob] | None, now_ms: int) -> Packet:
        """Return the first leg; what the others are made from goes with it."""
        if self._nodes.are_some:
            be_brief(self._store)
        has_no_aim = want <= 0 and not report.done and not report.outcomes
        queues = self._packer.order.of_next_trip()
        self._watched.intersection_update(queues)  # it may have let go of one meanwhile
        self._unserved.doubtful.intersection_update(queues)
        must = self._watched | self._woken.intersection(queues) | set(queues if has_no_aim else ())
        self._woken.clear()
        suspects = self._packer.suspects_for(want, free, now_ms)
        suspects_in = self._first_with_suspects() if suspects is not None else None
        legs = Legs(
            list(queues), self._unserved.with_kept(by_queue(report)), want, free, self._packer.soon, in_hand,
            self._unserved.doubtful, suspects, suspects_in, frozenset(must),
        )  # fmt: skip
        first = suspects_in or next((q for q in queues if want > 0 or not legs.may_be_left_out(q)), queues[0])
        return self._leg(legs, first, now_ms)

    def send(self, packet: Packet) -> None:
        """Send a leg; what keeps it from that is heard by `finish`."""
        packet.unsent = self._nodes.unasked(packet.queue) or self._unserved.unasked(packet.queue)
        try:
            if packet.unsent is None:
                self._store.send(packet.call)
        except StoreError as error:
            packet.unsent = error

    def finish(self, packet: Packet) -> Trip:
        """Read the answer of the first leg, make the others, and return all answers as one.

        Raises: Fenced; StoreError when no queue could be served. Where some could not, see `Unserved`.
        """
        legs, sent_ms, problem = packet.legs, packet.sent_ms, None
        assert legs is not None
        try:
            while True:
                try:
                    self._hear(packet, legs)
                except StoreError as error:
                    problem = problem or error
                    self._note_unserved(packet.queue, error)
                if (queue := self._next(legs)) is None:
                    break
                packet = self._leg(legs, queue, monotonic_ms())
                self.send(packet)
        finally:
            self._store.wire.waits.shorten(math.inf)
            self._unserved.why, self._unserved.kept = problem, legs.reports
        if problem is not None and not legs.trips:
            raise problem
        return self._heard(legs, sent_ms)

    def _note_unserved(self, queue: str, error: StoreError) -> None:
        self._unserved.note(queue, error)
        self._woken.add(queue)
        self._nodes.note(queue, error)
        if self._nodes.are_some:
            be_brief(self._store)

    def _heard(self, legs: Legs, sent_ms: int) -> Trip:
        trip = merged(legs.trips, self._tail.queues.difference(legs.visited))
        self._answers.hear_legs(legs.recorded, sent_ms, trip)
        return trip

    def _hear(self, packet: Packet, legs: Legs) -> None:
        if packet.unsent is not None:
            raise packet.unsent
        trip = self._store.receive(packet.call)
        self._nodes.note(packet.queue, None)
        if trip.status is not Status.OK:
            raise Fenced(f"a worker is fenced in {packet.queue} ({trip.status.name})")
        self._unserved.served(packet.queue)
        legs.record(packet.queue)
        (self._watched.discard if trip.wait_ms is None else self._watched.add)(packet.queue)
        legs.hear(packet.queue, trip)
        self._answers.hear_leg(packet, trip)

    def _next(self, legs: Legs) -> str | None:
        """Return the queue of the next leg; None: there is none."""
        if not legs.is_sifted:
            legs.sift(self._with_something([queue for queue in legs.waiting if legs.may_be_left_out(queue)]))
        while legs.waiting:
            queue = legs.waiting.pop(0)
            if legs.want > 0 or not legs.may_be_left_out(queue):
                return queue
        return legs.next_to_leave(self._watched)

    def _with_something(self, queues: Sequence[str]) -> set[str]:
        """Return which of these have anything, also those that cannot be asked: their legs will tell."""
        return set(queues).difference(without_any(self._store, self._askable(queues), _PARTS))

    def _askable(self, queues: Sequence[str]) -> list[str]:
        return [queue for queue in self._nodes.askable(queues) if self._unserved.unasked(queue) is None]

    def _first_with_suspects(self) -> str | None:
        """Return a queue that has suspects, which come before all else; each in its turn."""
        all_queues = self._order.queues
        start = self._packer.number % len(all_queues)
        queues = self._askable([*all_queues[start:], *all_queues[:start]])
        looks = [("EXISTS", self._store.address.key(keys.queue(queue, "suspects"))) for queue in queues]
        try:
            found = self._store.wire.pipeline_in_parts(looks)
        except StoreError:
            return None
        return next((queue for queue, count in zip(queues, found, strict=True) if count == 1), None)

    def _leg(self, legs: Legs, queue: str, now_ms: int) -> Packet:
        if queue in legs.waiting:
            legs.waiting.remove(queue)
        has_others = self._batch.unstarted_count + self._batch.running_count > 0
        return self._packer.leg(legs, queue, now_ms, has_others=has_others)
