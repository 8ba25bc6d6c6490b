"""Takes in the envelopes that a trip has seen in inboxes.

Where that does not work, the wake token of the queue means nothing, since it stands as long as there are any.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError
from jqjobs.jobs.records import new_id_stem
from jqjobs.store.calls import enqueueing
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store

#: So often is said of a queue that its envelopes have to wait: each job that is taken makes place for one.
_SAID_EVERY_MS = 60_000
#: A worker brings what has come to the partitions of its queue for so long at a time: jobs wait meanwhile.
_PASSING_ON_S = 0.05


class Ingestion:
    """One a worker. ``blocked``: queues whose envelopes wait, since Redis is full or no more jobs may wait there."""

    def __init__(self, store: Store, nodes: SilentNodes) -> None:
        self.blocked: frozenset[str] = frozenset()
        self._store = store
        self._nodes = nodes
        self._said_ms: dict[str, int] = {}

    def take_in(self, queues: Collection[str]) -> bool:
        """Take envelopes in, from all queues that have any; return whether that moved some."""
        if not queues:  # as after nearly every trip
            self.blocked = frozenset()
            return False
        moved = {queue: self._ingest(queue) for queue in queues}
        self.blocked = frozenset(queue for queue in moved if not moved[queue])
        return any(moved.values())

    def _ingest(self, queue: str) -> bool:
        try:
            done = self._store.run(enqueueing.ingest(queue, new_id_stem()))
        except StoreError as error:  # the envelopes stay where they are
            self._say_blocked(queue, error)
            return False
        if done.leaving:
            self._pass_on(queue)
        if done.rejected:
            log.event("ingest.rejected", level=log.WARNING, queue=queue, rejected=done.rejected)
        return True

    def _pass_on(self, queue: str) -> None:
        """Take what has come to where it belongs, for a moment; what is not done then a daemon does."""
        with suppress(StoreError):
            run_steps(self._nodes.run, deliver_flow(queue, until_s=time.monotonic() + _PASSING_ON_S))

    def _say_blocked(self, queue: str, error: StoreError) -> None:
        now_ms = monotonic_ms()
        if now_ms >= self._said_ms.get(queue, now_ms):
            self._said_ms[queue] = now_ms + _SAID_EVERY_MS
            log.event("ingest.blocked", level=log.WARNING, queue=queue, error=str(error))
