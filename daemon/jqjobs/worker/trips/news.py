"""Whether a worker that is idle would find anything: a look that is much cheaper than a trip."""

from __future__ import annotations

from collections.abc import Sequence

from jqjobs.errors import StoreError
from jqjobs.store import keys
from jqjobs.store.store import Store
from jqjobs.worker.trips.queue_order import QueueOrder
from jqjobs.worker.trips.suspects import SuspectTurn


class News:
    """One per worker, for its `Exchanger`.

    What becomes due by time is not looked at: the last trip told when that is, and whoever schedules an earlier job
    wakes a worker.
    """

    def __init__(self, store: Store, order: QueueOrder, suspects: SuspectTurn) -> None:
        self._store = store
        self._suspects = suspects
        self._order = order
        self._queues: Sequence[str] = ()
        #: Whether Redis has just said that there is none, so that nobody need ask; see `WakeTrip`.
        self.is_none = False
        self._looked_at: list[str] = []
        self._suspects_at: list[str] = []

    def is_there(self) -> bool:
        """Ask Redis. An error counts as news; the trip will say it."""
        if self.is_none:
            self.is_none = False
            return False
        if self._queues != self._order.queues:
            self._look_at(self._order.queues)
        if not self._queues:
            return False
        suspects_at = self._suspects_at if self._suspects.may_come else ()
        try:
            return int(self._store.wire.call("EXISTS", *self._looked_at, *suspects_at)) > 0
        except StoreError:
            return True

    def _look_at(self, queues: Sequence[str]) -> None:
        key = self._store.address.key
        self._queues = queues
        self._looked_at = [key(keys.queue(queue, part)) for queue in queues for part in ("ready", "inbox")]
        self._suspects_at = [key(keys.queue(queue, "suspects")) for queue in queues]
