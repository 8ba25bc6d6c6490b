"""Reads what jobs are suspected of, see `jobs.blame`. Writes nothing; called when a worker has died."""

from __future__ import annotations

from collections.abc import Sequence

from jqjobs.errors import StoreError
from jqjobs.jobs.blame import Suspicion, read_suspicion
from jqjobs.jobs.records import AttemptRef
from jqjobs.store import keys
from jqjobs.store.reply_values import text
from jqjobs.store.store import Store


def suspicions(store: Store, jobs: Sequence[AttemptRef]) -> list[Suspicion | None]:
    """Return what each job is suspected of; None for one that is no suspect, is gone, or is damaged.

    Also for one whose node of a cluster is lost: all that died with it would wait. Raises: StoreUnavailable.
    """
    key = store.address.key
    found = store.wire.pipeline_in_parts(
        [("HGET", key(keys.job(queue, job_id)), "suspect") for queue, job_id, _ in jobs]
    )
    return [None if reply is None or isinstance(reply, StoreError) else read_suspicion(text(reply)) for reply in found]
