"""Steps of a chain as envelopes: calls that are to begin when what is before them has succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from jqjobs.api.calls import JobCall, check_begins
from jqjobs.errors import InvalidOption
from jqjobs.jobs.flow import MAX_MEMBERS, written
from jqjobs.jobs.groups import FIELD, group_in
from jqjobs.jobs.records import NewJob

#: What a chain consists of: a call, or a list of calls that run side by side and are waited for.
Step = JobCall | Sequence[JobCall]
#: Fields of a record → keys of an envelope.
_KEYS = {
    "max_attempts": "max_attempts", "max_crashes": "max_crashes", "timeout": "timeout_ms", "keep": "keep_ms",
}  # fmt: skip


def is_list(step: Step) -> bool:
    """Whether a step is a list of calls."""
    return not isinstance(step, JobCall)


def calls_of(step: Step) -> Sequence[JobCall]:
    """Return the calls that a step has. Raises: InvalidOption."""
    calls = [step] if isinstance(step, JobCall) else step
    if not isinstance(calls, Sequence) or not calls or not all(isinstance(call, JobCall) for call in calls):
        raise InvalidOption(f"{step!r} is no step", hint="a step is job.call(…), or a list of them")
    if len(calls) > MAX_MEMBERS:
        raise InvalidOption(f"a list of {len(calls)} steps, more than {MAX_MEMBERS}", hint="a batch takes more")
    return list(calls)


def check_previous(step: Step, before: Step | None) -> None:
    """Raise when a step wants the result of the one before, and there is none, or several.

    Raises: InvalidArguments, InvalidOption.
    """
    for call in calls_of(step):
        if before is None:
            check_begins(call.job)
        elif is_list(before) and call.job.signature.needs_previous:
            raise InvalidOption(
                f"{call.job!r} wants one result as {call.job.signature.previous!r}, and a list is before it"
            )


def written_steps(steps: Sequence[Step]) -> bytes:
    """Return what comes after a job as its record has it. Raises: InvalidOption, and what making a call does."""
    return written([_encoded(step) for step in steps])


def _encoded(step: Step) -> bytes:
    envelopes = [_envelope(call) for call in calls_of(step)]
    if not is_list(step):
        return envelopes[0]
    return msgspec.json.encode({"all": [envelope.decode() for envelope in envelopes]})


def new_job(call: JobCall, job_id: str = "") -> NewJob:
    """Return the job of a call that is stored at once. Raises: InvalidOption."""
    if not isinstance(call, JobCall):
        raise InvalidOption(f"{call!r} is no call", hint="what a batch has is job.call(…)")
    if call.job._terms.on_commit:
        raise InvalidOption(f"{call.job!r} waits for a commit; chains and batches do not", hint="on_commit=False")
    if call.job._terms.outbox is not None:
        raise InvalidOption(f"{call.job!r} is for a transaction; chains and batches are not", hint="no outbox=")
    return call.job._new(call.args, call.kwargs, job_id or call.job._terms.job_id or "")


def _envelope(call: JobCall) -> bytes:
    new = new_job(call, "step")
    if call.job.chosen.id or new.key:
        raise InvalidOption(
            f"a step has no id and no key of its own: {call.job!r}", hint="its place in the chain is both"
        )
    said: dict[str, Any] = {"job": new.name, "queue": call.job.queue, "priority": new.priority}
    if new.due:
        said["delay_ms" if new.due.startswith("+") else "due_ms"] = int(new.due)
    for field, value in zip(new.fields[::2], new.fields[1::2], strict=True):
        if field == "expires":
            said["expires_ms"] = int(value)
        elif field == "tags":
            said["tags"] = str(value).split(" ")
        elif field == FIELD:
            said["group"] = group_in(str(value))
        elif field in _KEYS:
            said[_KEYS[str(field)]] = value
    head, payload = msgspec.json.encode(said), new.payload
    return head if payload == b"{}" else head[:-1] + b"," + payload[1:]
