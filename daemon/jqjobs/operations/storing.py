"""Stores one job for a command: once, and with an error that says whether it may be stored."""

from __future__ import annotations

from jqjobs.errors import StoreError
from jqjobs.jobs.records import Enqueued, NewJob
from jqjobs.store.calls import enqueueing, upkeep
from jqjobs.store.calls.deliveries import undelivered
from jqjobs.store.replication import Wait
from jqjobs.store.store import Store


def store_job(store: Store, queue: str, job: NewJob, wait: Wait | None = None) -> Enqueued:
    """Store one job. ``wait``: for replicas. Raises: StoreError and its kinds."""
    store.run(upkeep.add_queues([queue]))
    try:
        return store.run(enqueueing.enqueue(queue, [job], wait))[0]
    except StoreError as error:
        told = undelivered(error, queue, [job], [[job]], [error])
        if told.maybe_stored:
            told.hint = f"jqctl job show {queue}/{job.id} looks; the same --id adds nothing while the job is there"
        raise told from error
