"""A worker's conversation with Redis: trips with a growing number, fast ones where that will do (`FastTrips`), and a
resync after any broken one.

A trip may be under way while jobs run: `send`, later `receive`. What it brings is in the batch before anybody
hears of the trip.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import JqError, StoreError
from jqjobs.jobs.records import Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls.trips import Trip
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.store import Store
from jqjobs.worker.trips.answers import Answers, Fenced
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.fast_trips import FastTrips
from jqjobs.worker.trips.ingestion import Ingestion
from jqjobs.worker.trips.news import News
from jqjobs.worker.trips.packets import Packer, Packet
from jqjobs.worker.trips.passing_on import PassingOn
from jqjobs.worker.trips.queue_order import QueueOrder, Turns
from jqjobs.worker.trips.split_trips import SplitTrips
from jqjobs.worker.trips.suspects import SuspectTurn
from jqjobs.worker.trips.tail import Tail
from jqjobs.worker.trips.unserved import Unserved

T = TypeVar("T")


class Exchanger:
    """Owns the connection; a lock lets the monitor thread report between trips."""

    def __init__(
        self, store: Store, order: QueueOrder, worker_id: str, lease_ms: int, batch: Batch,
        suspects: SuspectTurn, complete: Callable[[Iterable[TakenJob]], None], tail: Tail, woken: set[str],
    ) -> None:  # fmt: skip
        """``complete``: fills in what jobs leave to their registration. ``woken``: see `SplitTrips`."""
        self._store = store
        self.order = order
        self.suspects = suspects
        self.news = News(store, order, suspects)
        self._worker_id = worker_id
        self._batch = batch
        self.reports = batch.reports
        has_several = len(order.queues) != 1 or isinstance(order, Turns)
        self.fast = FastTrips(has_several_queues=has_several, most_in_a_row=order.most_in_a_row)
        self.packer = Packer(order, worker_id, lease_ms, self.fast, suspects, tail)
        self._answers = Answers(worker_id, batch, self.fast, order, suspects, complete, tail)
        #: Outcomes that hooks wait for and that are recorded by now, with what became of the job; see `HookQueue`.
        self.recorded = self._answers.recorded
        self.nodes, self.unserved = SilentNodes(store), Unserved()
        #: Makes whole trips where queues are in several places.
        parts = (self.packer, self._answers, batch, tail, woken, self.nodes, self.unserved)
        self._split = SplitTrips(store, order, *parts) if store.address.cluster and has_several else None
        self._ingestion, self._passing_on = Ingestion(store, self.nodes), PassingOn(self.nodes)
        self._lock = threading.Lock()
        self.resyncs = False  #: Nobody knows what became of the last trip: the next one says what is in hand.
        self._sent: Packet | None = None
        self.standing: Packet | None = None  #: May or may not have been made, see `WakeTrip`.
        self._arrived: deque[Trip | JqError] = deque()
        self.sent_ms = 0  #: When the last trip was sent, boottime ms.

    @property
    def blocked(self) -> frozenset[str]:
        """The queues whose envelopes cannot be taken in, see `Ingestion`."""
        return self._ingestion.blocked

    @property
    def under_way(self) -> bool:
        """Whether a trip was sent and not yet received."""
        return self._sent is not None or bool(self._arrived)

    def ask(self, call: Call[T]) -> T:
        """Run another call on this connection, between trips. Raises: StoreError."""
        return self.between_trips(lambda _: self.nodes.run(call))

    def between_trips(self, act: Callable[[Store], T]) -> T:
        """Do something on this connection while no trip is under way, and none is made. Raises: what ``act`` raises."""
        with self._lock:
            self._keep_answer()
            return act(self._store)

    def send(self, want: int, free: int = 0) -> None:
        """Report what is finished and ask for up to ``want`` jobs. An error is told by `receive`.

        ``free``: so many could start at once beside what is in hand, see `trips.exchange`. Who is in no queue makes
        a trip that brings nothing.
        """
        with self._lock:
            if not self.order.queues:
                self._arrived.append(Trip(Status.OK, monotonic_ms() + self.fast.clock_offset_ms))
                return
            try:
                self._send(want, free)
            except StoreError as error:
                self._arrived.append(error)

    def receive(self) -> Trip:
        """Wait for the answer of the trip that is under way; its jobs are in the batch.

        Raises: Fenced; StoreError, after which the outcomes are still here.
        """
        with self._lock:
            self._keep_answer()
            answer = self._arrived.popleft()
            if isinstance(answer, JqError):
                raise answer
            if self._passing_on.waiting:
                self._passing_on.do()
            if answer.is_fast:
                return answer  # it has not looked into inboxes
            has_moved = self._ingestion.take_in(answer.inboxes)
        answer.more = answer.more or has_moved or bool(self._passing_on.waiting)
        return answer

    def bring(self) -> bool:
        """Wait for the answer of a fast trip that is under way; whether it has brought jobs into the batch.

        Any other answer is left to `receive`.
        """
        with self._lock:
            if self._sent is None or not self._sent.is_fast:
                return False
            self._keep_answer()
            answer = self._arrived[-1]
            if isinstance(answer, Trip) and answer.is_fast:
                self._arrived.pop()
                return True
            return False

    def trip(self, want: int) -> Trip:
        """Make a whole trip, none being under way. Raises what `receive` raises; also where a queue is unserved."""
        self.send(want)
        answer = self.receive()
        if self.unserved.why is not None:
            raise self.unserved.why
        return answer

    def has_news(self) -> bool:
        """Return whether a trip could find anything, for an idle worker whose poll is due; see `News`."""
        if self.resyncs or self.reports.pending or self.unserved.why is not None:
            return True
        if self.standing is not None and monotonic_ms() < self.standing.stands_until_ms:
            return False  # Redis is to look
        with self._lock:
            self._keep_answer()
            return self.news.is_there()

    def adopt(self, answer: Any) -> None:
        """Have the trip under way that stood in Redis, and was made: `receive` returns its answer, which is here."""
        with self._lock:
            self._keep_answer()
            if (packet := self.standing) is not None:
                packet.answer = answer
                self._sent, self.standing, self.resyncs = packet, None, True

    def report(self, *, gives_back: bool) -> bool:
        """Report what is finished, from the monitor thread; False when Redis did not hear it. Raises: Fenced.

        What ends meanwhile is left to the next trip: the main thread, too, waits for this lock.

        ``gives_back``: what a trip that is under way brings goes back at once, since it would wait behind a long job.
        """
        with self._lock:
            if self._keep_answer() and gives_back:
                self._batch.give_back()
            is_due = self.reports.pending or self.unserved.why is not None
            while is_due or self.resyncs:  # what a lost answer brought would wait behind a long job
                try:
                    self._send(0)
                    self._read()
                except StoreError:
                    return False
                if self.unserved.why is not None:
                    return False
                is_due = self.reports.was_cut_short
            if self._passing_on.waiting:
                self._passing_on.do()
            return True

    def _keep_answer(self) -> bool:
        """Read the answer of the trip that is under way, for `receive`; whether there was one."""
        if self._sent is None:
            return False
        try:
            self._arrived.append(self._read())
        except JqError as error:
            self._arrived.append(error)
        return True

    def _send(self, want: int, free: int = 0) -> None:
        """Send a trip. After a broken one nobody knows what became of it, so the next one is a resync:

        it names all that is in hand here, and the rest of the active set goes back. What is in hand is listed
        before the report, all of it, is taken: a job that ends in between is then named twice, never missed.
        """
        if self.resyncs:
            self.unserved.doubtful.update(self.order.queues)
        in_hand = self._batch.in_hand() if self.unserved.doubtful else None
        report = self.reports.take(is_all=in_hand is not None)
        self.sent_ms = monotonic_ms()
        # Places are free again before what comes needs them: an answer that settles is one that brings jobs.
        places = self._batch.free_places + len(report.done) + len(report.outcomes)
        if self.standing is not None:
            places -= self.standing.want
            if in_hand is not None:  # puts back what that one may have taken
                self.standing = None
        packet = self.packer.pack(report, min(want, places), free, in_hand, self.sent_ms)
        self.resyncs = True
        try:
            if packet.legs is not None and self._split is not None:
                self._split.send(packet)
            else:
                self._store.send(packet.call)
        except BaseException:
            self.reports.put_back(report)
            raise
        self._sent = packet

    def _read(self) -> Trip:
        """Return the answer of the trip that was sent; a fast one without jobs is followed by a whole one."""
        packet, self._sent = self._sent, None
        assert packet is not None
        if packet.legs is not None and self._split is not None:
            trip = self._split.finish(packet)
            self.resyncs = False
            self._passing_on.note(trip.leaving)
            return trip
        try:
            has_come = packet.answer is not None
            trip = packet.call.parse(packet.answer) if has_come else self._store.receive(packet.call)
        except BaseException:
            self.reports.put_back(packet.report)
            raise
        if trip.status not in (Status.OK, Status.FULL):
            raise Fenced(f"worker {self._worker_id} is fenced ({trip.status.name})")
        self.resyncs = False
        self.unserved.doubtful.clear()
        if trip.leaving:
            self._passing_on.note(trip.leaving)
        if self._answers.hear(packet, trip):
            return trip
        self._send(packet.want, packet.free)
        return self._read()
