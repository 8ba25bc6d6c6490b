"""Batches, for `jqctl batch`: found, listed, cancelled, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jqjobs.errors import Conflict, NotFound
from jqjobs.jobs.flow import BatchState, BatchStatus, batch_ref
from jqjobs.store.calls import batches
from jqjobs.store.calls.batches import Closed
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store

#: Of each queue, so many are listed: those first that still go on.
MOST_LISTED = 100
#: So many open and dead members are told.
MOST_MEMBERS = 100


class BatchMembers(NamedTuple):
    """A batch, and members of it that somebody may want to look at, each as ``queue/id`` where it is now."""

    status: BatchStatus
    open: list[str]
    dead: list[str]


def list_batches(store: Store, queues: Sequence[str]) -> Iterator[BatchStatus]:
    """Yield the batches that have their home in these queues."""
    for queue in queues:
        ids = store.run(batches.batches(queue, 0, MOST_LISTED)).ids
        known = [store.run(batches.batch_status(queue, batch_id)) for batch_id in ids]
        yield from (status for status in known if status.state is not BatchState.UNKNOWN)


def find_batch(store: Store, ref: str) -> BatchMembers:
    """Return a batch by its ``queue/id``. Raises: NotFound, InvalidName, InvalidOption."""
    queue, batch_id = batch_ref(ref)
    status = store.run(batches.batch_status(queue, batch_id))
    if status.state is BatchState.UNKNOWN:
        raise _not_found(ref)
    opened, dead = (store.run(batches.batch_members(queue, batch_id, which)).places for which in ("open", "dead"))
    return BatchMembers(status, sorted(opened)[:MOST_MEMBERS], sorted(dead)[:MOST_MEMBERS])


def cancel_batch(store: Store, ref: str) -> None:
    """Cancel a batch and its members. Raises: NotFound; Conflict when it is over; InvalidName, InvalidOption."""
    queue, batch_id = batch_ref(ref)
    answer = run_steps(store.run, batches.cancelling(queue, batch_id))
    if answer is Closed.UNKNOWN:
        raise _not_found(ref)
    if answer is Closed.TOO_LATE:
        raise Conflict(f"batch {ref} is over already")


def batch_json(status: BatchStatus) -> dict[str, Any]:
    """Return a batch as the JSON that outside tools see."""
    return {
        "queue": status.queue, "id": status.id, "state": status.state.value, "total": status.total,
        "open": status.open, "succeeded": status.succeeded, "dead": status.dead, "kept": status.kept,
        "on_dead": status.on_dead.value, "created_ms": status.created_ms, "finished_ms": status.finished_ms,
    }  # fmt: skip


def _not_found(ref: str) -> NotFound:
    return NotFound(f"there is no batch {ref}", hint="`jqctl batch list` shows those that are known")
