"""What can be done to a stored job, for job handles: one script call each, its answer as a value or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from jqjobs.api import results
from jqjobs.errors import Conflict, InvalidArguments, InvalidOption, NotFound, PayloadTooLarge
from jqjobs.jobs.records import MAX_PAYLOAD_BYTES
from jqjobs.store.calls import upkeep, waits
from jqjobs.store.calls.cancels import CancelAnswer
from jqjobs.store.calls.cancels import cancel as cancel_call

if TYPE_CHECKING:
    from jqjobs.api.engine import Engine


def cancel(engine: Engine, queue: str, job_id: str) -> CancelAnswer:
    """Cancel a job. Raises: NotFound."""
    [answer] = engine.run(cancel_call(queue, [job_id]))
    if answer is CancelAnswer.UNKNOWN:
        raise _missing(queue, job_id)
    return answer


def retry(engine: Engine, queue: str, job_id: str) -> None:
    """Send a dead job back to ready. Raises: NotFound, Conflict."""
    [done] = engine.run(upkeep.retry(queue, [job_id]))
    if done == 1:
        return
    if done == -1:
        raise Conflict(f"the coalescing key of {queue}/{job_id} belongs to a newer job")
    info = engine.find(queue, job_id)
    if info is None:
        raise _missing(queue, job_id)
    raise Conflict(f"{queue}/{job_id} is {info.state}, not dead")


def resolve(engine: Engine, queue: str, job_id: str, token: str | None, result: Any, error: str | None) -> str:
    """Answer for a job that waits for a third party. Raises: NotFound, Conflict, InvalidOption, InvalidArguments."""
    if error is not None and result is not None:
        raise InvalidOption("give a result or an error, not both")
    call = waits.resolve(queue, job_id, token or "", result=_encoded(result), error=error)
    answer = engine.run(call)
    waits.check(answer, f"{queue}/{job_id}")
    return answer


def _encoded(result: Any) -> bytes:
    try:
        encoded = msgspec.json.encode(result)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArguments(f"the result is not JSON: {error}") from None
    if len(encoded) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(f"the result takes {len(encoded)} bytes as JSON, more than 1 MiB")
    return encoded


def _missing(queue: str, job_id: str) -> NotFound:
    return NotFound(f"there is no job {queue}/{job_id}", hint=results.NOT_KEPT)
