"""What is done to one job that somebody names."""

from __future__ import annotations

from jqjobs.errors import Conflict
from jqjobs.jobs.partitions import queue_of
from jqjobs.operations.lookup import find, missing, read_job
from jqjobs.store.calls import upkeep, waits
from jqjobs.store.calls.cancels import CancelAnswer, cancel
from jqjobs.store.calls.flows import acting
from jqjobs.store.calls.upkeep import Deleted, Retried
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store

#: Characters of an error that somebody answers with.
_MOST_ERROR = 1000


def retry_one(store: Store, reference: str) -> str:
    """Send one dead job back and return it as queue/id. Raises: NotFound, Conflict."""
    queue, job_id = find(store, reference)
    [answer] = run_steps(store.run, acting(queue, upkeep.retry(queue, [job_id])))
    if answer is Retried.KEY_TAKEN:
        raise Conflict(
            f"the coalescing key of {queue_of(queue)}/{job_id} belongs to a newer job",
            hint="retry this one when that one has ended, or cancel or delete that one first",
        )
    if answer is not Retried.READY:
        raise Conflict(f"{queue_of(queue)}/{job_id} is {read_job(store, queue, job_id).state}, not dead")
    return f"{queue_of(queue)}/{job_id}"


def cancel_one(store: Store, reference: str) -> tuple[str, CancelAnswer]:
    """Cancel one job; return it as queue/id, and what came of it. Raises: NotFound, Conflict when it is over."""
    queue, job_id = find(store, reference)
    [answer] = run_steps(store.run, acting(queue, cancel(queue, [job_id])))
    if answer is CancelAnswer.UNKNOWN:
        raise missing(store, queue, job_id)
    if answer is CancelAnswer.FINISHED:
        raise Conflict(f"{queue_of(queue)}/{job_id} is over already")
    if answer is CancelAnswer.MOVING:
        raise Conflict(f"{queue_of(queue)}/{job_id} is on its way to another queue", hint="cancel it when it is there")
    return f"{queue_of(queue)}/{job_id}", answer


def delete_one(store: Store, reference: str) -> str:
    """Delete one job and return it as queue/id. Raises: NotFound; Conflict while a worker has it in hand."""
    queue, job_id = find(store, reference)
    [answer] = run_steps(store.run, acting(queue, upkeep.delete(queue, [job_id])))
    if answer is Deleted.UNKNOWN:
        raise missing(store, queue, job_id)
    if answer is Deleted.IN_HAND:
        raise Conflict(
            f"a worker has {queue_of(queue)}/{job_id} in hand",
            hint=f"jqctl job cancel {queue_of(queue)}/{job_id}, then delete",
        )
    return f"{queue_of(queue)}/{job_id}"


def promote_one(store: Store, reference: str) -> str:
    """Make one job due now and return it as queue/id. Raises: NotFound; Conflict when it is not scheduled."""
    queue, job_id = find(store, reference)
    [was_scheduled] = store.run(upkeep.promote(queue, [job_id]))
    if not was_scheduled:
        raise Conflict(f"{queue_of(queue)}/{job_id} is {read_job(store, queue, job_id).state}, not scheduled")
    return f"{queue_of(queue)}/{job_id}"


def resolve_one(store: Store, reference: str, token: str, result: bytes, error: str | None) -> tuple[str, str]:
    """Answer for a job that waits; return it as queue/id, and what came of it, see `waits`. ``error`` goes first.

    Raises: NotFound, Conflict.
    """
    queue, job_id = find(store, reference)
    failed = None if error is None else error[:_MOST_ERROR]
    answer = run_steps(store.run, acting(queue, waits.resolve(queue, job_id, token, result=result, error=failed)))
    waits.check(answer, f"{queue_of(queue)}/{job_id}")
    return f"{queue_of(queue)}/{job_id}", answer
