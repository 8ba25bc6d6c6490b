"""A worker's conversation with Redis: trips with a growing number, and a resync after any broken one."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from jqjobs import log
from jqjobs.errors import JqError, StoreError
from jqjobs.job import Outcome, Status
from jqjobs.store import calls, keys
from jqjobs.store.calls import Call, Fate, Trip
from jqjobs.store.store import Store
from jqjobs.worker.batch import Batch

T = TypeVar("T")


class Fenced(JqError):
    """The worker has no lease any more; what it held runs elsewhere."""


class Exchanger:
    """Owns the connection and the trip number; a lock lets the monitor thread report between trips."""

    def __init__(self, store: Store, queues: Sequence[str], worker_id: str, lease_ms: int, batch: Batch) -> None:
        self._store = store
        self.queues = tuple(queues)
        self._looked_at = [key for queue in queues for key in (keys.queue(queue, "ready"), keys.inbox(queue))]
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._batch = batch
        self._lock = threading.Lock()
        self._number = 0
        self._resync = False
        self._broken: set[str] = set()
        #: Envelopes wait and cannot be taken in (Redis is full), so their wake token means nothing.
        self.is_blocked = False
        #: Outcomes that hooks wait for and that are recorded by now, with what became of the job; see `Afterwards`.
        self.recorded: deque[tuple[Outcome, Fate | None]] = deque()

    @property
    def awaits_fates(self) -> bool:
        """Whether hooks wait for an outcome that is not reported yet."""
        return self._batch.has_hooked

    def ask(self, call: Call[T]) -> T:
        """Run another call on this connection, between trips. Raises: StoreError."""
        with self._lock:
            return self._store.run(call)

    def trip(self, want: int) -> Trip:
        """Report what is finished and take up to ``want`` jobs; they are not yet in the batch.

        Raises: Fenced; StoreError, after which the outcomes are still here.
        """
        with self._lock:
            trip = self._send(want)
            moved = [self._ingest(queue) for queue in trip.inboxes]
        self.is_blocked = bool(moved) and not any(moved)
        return replace(trip, more=trip.more or any(moved))

    def has_news(self) -> bool:
        """Return whether a trip could find anything: a cheap look, for an idle worker whose poll is due.

        What becomes due by time is not looked at: the last trip told when that is, and whoever schedules an earlier
        job wakes a worker. An error counts as news; the trip will say it.
        """
        if self._resync or self._batch.has_outcomes:
            return True
        with self._lock:
            try:
                return int(self._store.wire.call("EXISTS", *self._looked_at)) > 0
            except StoreError:
                return True

    def report(self) -> bool:
        """Report what is finished, from the monitor thread; False when Redis did not hear it. Raises: Fenced."""
        with self._lock:
            if self._batch.has_outcomes:
                try:
                    self._send(0)
                except StoreError:
                    return False
            return True

    def _send(self, want: int) -> Trip:
        """Make one trip. After a broken one nobody knows what became of it, so the next one is a resync:

        it names all that is held here, and the rest of the active set goes back. What is held is listed
        before the outcomes are taken: a job that ends in between is then named twice, never missed.
        """
        resync = self._resync
        held = self._batch.held() if resync else None
        outcomes = self._batch.take_outcomes()
        hooked = [outcome for outcome in outcomes if outcome.after is not None]
        self._number += 1
        self._resync = True
        call = calls.exchange(
            self.queues, self._worker_id, self._number, want, self._lease_ms,
            outcomes=outcomes, held=held, tell_fates=bool(hooked),
        )  # fmt: skip
        try:
            trip = self._store.run(call)
        except BaseException:
            self._batch.put_back_outcomes(outcomes)
            raise
        if trip.status is not Status.OK:
            raise Fenced(f"worker {self._worker_id} is fenced ({trip.status.name})")
        self._resync = False
        self._say_broken(trip)
        if trip.stale and not resync:
            log.event("settle.stale", level=30, jobs=",".join(trip.stale[:10]), worker=self._worker_id)
        for outcome in hooked:
            fate = None if outcome.id in trip.stale else trip.fates.get(outcome.id, ("gone", ""))
            self.recorded.append((outcome, fate))
        return trip

    def _say_broken(self, trip: Trip) -> None:
        broken = dict(trip.broken)
        for queue in broken.keys() - self._broken:
            log.event("queue.broken", level=40, queue=queue, error=broken[queue])
        for queue in self._broken - broken.keys():
            log.event("queue.mended", queue=queue)
        self._broken = set(broken)

    def _ingest(self, queue: str) -> bool:
        """Take envelopes in; whether that moved anything."""
        try:
            done = self._store.run(calls.ingest(queue, secrets.token_hex(8)))
        except StoreError as error:  # full, most likely: the envelopes stay where they are
            if not self.is_blocked:
                log.event("ingest.blocked", level=30, queue=queue, error=str(error))
            return False
        if done.rejected:
            log.event("ingest.rejected", level=30, queue=queue, rejected=done.rejected)
        return True
