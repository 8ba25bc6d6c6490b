"""What handles are answered about a job that is still in the outbox: it is in no queue yet."""

from __future__ import annotations

from typing import Any

from jqjobs.jobs.records import OUTBOX
from jqjobs.outbox.rows import Row
from jqjobs.store.call import Call
from jqjobs.store.calls.endings import Ending, JobEnd
from jqjobs.store.reads.jobs import JobInfo, arguments_of
from jqjobs.store.reply_values import integer, json_or_none, string

#: Scripts that handles call about one job, and that have an answer there.
_ABOUT_ONE = ("inspect", "result", "cancel", "delete")


def job_of(call: Call[Any]) -> tuple[str, str] | None:
    """Return queue and id of the job that a call is about; None: of another kind."""
    if call.script.name not in _ABOUT_ONE or len(call.args) != 2:
        return None
    return call.keys[0].removeprefix("{").removesuffix("}:meta"), str(call.args[1])


def answer_of(call: Call[Any], row: Row, now_ms: int) -> Any:
    """Return what a call would, had Redis the job; of cancel and delete: that it is done."""
    match call.script.name:
        case "result":
            return JobEnd(Ending.PENDING)
        case "cancel" | "delete":
            return call.parse([1])
        case _:
            return _info(row, now_ms)


def _info(row: Row, now_ms: int) -> JobInfo:
    found = json_or_none(row.envelope.encode())
    said: dict[str, Any] = found if isinstance(found, dict) else {}
    args, kwargs, payload = arguments_of(row.envelope.encode())
    return JobInfo(
        id=row.id, queue=row.queue, name=string(said.get("job")) or "", state=OUTBOX, args=args, kwargs=kwargs,
        payload=payload, priority=integer(said.get("priority")) or 0, attempt=0, executions=0, failures=0, crashes=0,
        interrupts=0, lost=0, throttles=0, snoozes=0, max_attempts=integer(said.get("max_attempts")), enqueued_ms=None,
        due_ms=integer(said.get("due_ms")), started_ms=None, deadline_ms=None, finished_ms=None, worker=None,
        error=None, reason=None, result=None, result_missing=None, progress=None, log=(), key=string(said.get("key")),
        tags=tuple(said.get("tags") or ()), group=string(said.get("group")), held_by=None, suspect=None, history=(),
        now_ms=now_ms,
    )  # fmt: skip
