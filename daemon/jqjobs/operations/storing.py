"""Stores one job for a command: once, and with an error that says whether it may be stored."""

from __future__ import annotations

from jqjobs.errors import StoreError
from jqjobs.jobs.records import Enqueued, NewJob
from jqjobs.store.calls import upkeep
from jqjobs.store.replication import Wait
from jqjobs.store.spreading import Spreading
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store


def store_job(store: Store, queue: str, job: NewJob, wait: Wait | None = None) -> Enqueued:
    """Store one job. ``wait``: for replicas. Raises: StoreError and its kinds."""
    store.run(upkeep.add_queues([queue]))
    try:
        return run_steps(store.run, Spreading({}, queue, [job], wait).enqueue())[0]
    except StoreError as error:
        if error.maybe_stored:
            error.hint = f"jqctl job show {queue}/{job.id} looks; the same --id adds nothing while the job is there"
        raise
