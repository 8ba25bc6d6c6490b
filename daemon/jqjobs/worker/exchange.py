"""A worker's conversation with Redis: trips with a growing number, and a resync after any broken one."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import replace

from jqjobs import log
from jqjobs.errors import JqError, StoreError
from jqjobs.job import Status
from jqjobs.store import calls
from jqjobs.store.calls import Trip
from jqjobs.store.store import Store
from jqjobs.worker.batch import Batch


class Fenced(JqError):
    """The worker has no lease any more; what it held runs elsewhere."""


class Exchanger:
    """Owns the connection and the trip number; a lock lets the monitor thread report between trips."""

    def __init__(self, store: Store, queues: Sequence[str], worker_id: str, lease_ms: int, batch: Batch) -> None:
        self._store = store
        self._queues = tuple(queues)
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._batch = batch
        self._lock = threading.Lock()
        self._number = 0
        self._resync = False
        #: Envelopes wait and cannot be taken in (Redis is full), so their wake token means nothing.
        self.is_blocked = False

    def trip(self, want: int) -> Trip:
        """Report what is finished and take up to ``want`` jobs; they are not yet in the batch.

        After a broken trip nobody knows what became of it, so the next one names all that is held here
        and has the rest put back. Raises: Fenced; StoreError, after which the outcomes are still here.
        """
        with self._lock:
            resync = self._resync
            trip = self._send(want, resync=resync)
            self._resync = False
        if trip.stale and not resync:
            log.event("settle.stale", level=30, jobs=",".join(trip.stale[:10]), worker=self._worker_id)
        if trip.lost:
            self._batch.drop(trip.lost)
        moved = [self._ingest(queue) for queue in trip.inboxes]
        self.is_blocked = bool(moved) and not any(moved)
        return replace(trip, more=trip.more or any(moved))

    def report(self) -> None:
        """Report what is finished, from the monitor thread; a broken trip is left to the owner to mend."""
        with self._lock:
            if self._resync or not self._batch.has_outcomes:
                return
            try:
                self._send(0, resync=False)
            except StoreError:
                return

    def _send(self, want: int, *, resync: bool) -> Trip:
        outcomes = self._batch.take_outcomes()
        held = self._batch.held() if resync else None
        self._number += 1
        call = calls.exchange(
            self._queues, self._worker_id, self._number, want, self._lease_ms, outcomes=outcomes, held=held
        )
        try:
            trip = self._store.run(call)
        except StoreError:
            self._batch.put_back_outcomes(outcomes)
            self._resync = True
            raise
        if trip.status is not Status.OK:
            raise Fenced(f"worker {self._worker_id} is fenced ({trip.status.name})")
        return trip

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
