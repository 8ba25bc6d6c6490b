"""One job: what it is, what it was given, what became of each attempt; and what can be done with it now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.jobs.records import State
from jqjobs.operations.acts import cancel_one, delete_one, promote_one, retry_one
from jqjobs.operations.arguments import result_of
from jqjobs.operations.lookup import read_job
from jqjobs.store.calls import waits
from jqjobs.store.reads.jobs import Attempt, JobInfo
from jqjobs.store.reads.notes import progress_text
from jqjobs.web.access import Right
from jqjobs.web.http import Response
from jqjobs.web.pages.links import back_or, first, path_of
from jqjobs.web.pages.overview import why
from jqjobs.web.visit import Visit

#: So much of arguments and results is shown unless all is asked for.
_MOST_CHARS = 4096
_MOST_ERROR = 1000
_BAD = ("failed", "hung", "crashed", "lost")


class Value(NamedTuple):
    """JSON as lines. ``left_out``: so many characters are not shown."""

    lines: Sequence[str]
    left_out: int


class AttemptRow(NamedTuple):
    """An attempt that did not succeed, with the lines of its stack."""

    attempt: Attempt
    error: str
    ran_ms: int | None
    lines: Sequence[str]
    is_bad: bool


class ActButton(NamedTuple):
    """What can be done with a job now."""

    act: str
    label: str
    kind: str


#: Act, its button, how that looks, the states in which it goes, and the right that it takes.
_ACTS = (
    ("retry", "Retry", "main", (State.DEAD,), Right.RETRY),
    ("promote", "Run now", "main", (State.SCHEDULED,), Right.ENQUEUE),
    ("cancel", "Cancel", "danger", (
        State.READY, State.SCHEDULED, State.ACTIVE, State.HELD, State.WAITING, State.PARKED, State.SUSPECTS,
    ), Right.CANCEL),
    ("delete", "Delete", "danger", (
        State.DEAD, State.KEPT, State.READY, State.SCHEDULED, State.HELD, State.PARKED, State.WAITING, State.SUSPECTS,
    ), Right.DELETE),
)  # fmt: skip


def job_page(visit: Visit) -> Response:
    """Show one job."""
    info = read_job(visit.store, visit.params["queue"], visit.params["id"])
    visit.snapshot()
    info = visit.redact(info)
    most = None if visit.request.asked("all") else _MOST_CHARS
    path = path_of("jobs", info.queue, info.id)
    return visit.page(
        "job.html", job=info, arguments=_arguments(info, most), result=_value(info.result, most), path=path,
        attempts=[_attempt(each) for each in reversed(info.history)], why=why(info.reason, info.error),
        acts=buttons(visit, info.state), may_resolve=info.state == "waiting" and visit.access.may(Right.RESOLVE),
        progress=progress_text(info.progress), percent=_percent(info.progress), now_ms=info.now_ms,
        queue_url=visit.url(path_of("queues", info.queue)), again_url=visit.url(path_of("new", info.queue, info.name)),
        state_url=visit.url("/jobs", queue=info.queue, state=info.state),
    )  # fmt: skip


def buttons(visit: Visit, state: str) -> list[ActButton]:
    """Return what who looks may do with a job in a state."""
    return [ActButton(act, label, kind) for act, label, kind, states, right in _ACTS
            if state in states and visit.access.may(right)]  # fmt: skip


def _arguments(info: JobInfo, most: int | None) -> Value:
    if info.payload is not None:
        return _cut(info.payload, most)
    if info.args and info.kwargs:
        return _value({"args": info.args, "kwargs": info.kwargs}, most)
    return _value(info.kwargs or info.args or {}, most)


def _value(value: Any, most: int | None) -> Value:
    return _cut(json.dumps(value, indent=2, ensure_ascii=False), most)


def _cut(text: str, most: int | None) -> Value:
    kept = text if most is None else text[:most]
    return Value(kept.split("\n"), len(text) - len(kept))


def _attempt(attempt: Attempt) -> AttemptRow:
    started_ms, ended_ms = attempt.started_ms, attempt.ended_ms
    ran_ms = None if started_ms is None or ended_ms is None else max(0, ended_ms - started_ms)
    lines = (attempt.traceback or "").rstrip().split("\n") if attempt.traceback else ()
    return AttemptRow(attempt, attempt.error or "", ran_ms, lines, attempt.reason in _BAD)


def _percent(progress: Any) -> float | None:
    percent = progress.get("percent") if isinstance(progress, dict) else None
    if isinstance(percent, bool) or not isinstance(percent, (int, float)):
        return None
    return min(100.0, max(0.0, percent))


def retry(visit: Visit) -> Response:
    """Send a dead job back."""
    reference = _begun(visit, Right.RETRY, "retry")
    retry_one(visit.store, reference)
    return _back(visit, f"{reference} is ready again")


def cancel(visit: Visit) -> Response:
    """Cancel a job."""
    reference = _begun(visit, Right.CANCEL, "cancel")
    _, answer = cancel_one(visit.store, reference)
    held = "" if answer == "cancelled" else ": a worker holds it, and ends it"
    return _back(visit, f"{reference} is {'being cancelled' if held else 'cancelled'}{held}")


def promote(visit: Visit) -> Response:
    """Make a scheduled job due now."""
    reference = _begun(visit, Right.ENQUEUE, "promote")
    promote_one(visit.store, reference)
    return _back(visit, f"{reference} is due now")


def delete(visit: Visit) -> Response:
    """Delete a job."""
    reference = _begun(visit, Right.DELETE, "delete")
    delete_one(visit.store, reference)
    return visit.done("/jobs", f"{reference} is deleted", queue=visit.params["queue"])


def resolve(visit: Visit) -> Response:
    """Answer for a job that waits."""
    form, reference = visit.request.form(), _begun(visit, Right.RESOLVE, "resolve")
    failed = first(form, "error").strip()[:_MOST_ERROR] or None
    result = result_of(first(form, "result").strip() or "null")
    queue, job_id = visit.params["queue"], visit.params["id"]
    waits.check(visit.run(waits.resolve(queue, job_id, first(form, "token"), result=result, error=failed)), reference)
    return _back(visit, f"{reference} is answered")


def _begun(visit: Visit, right: Right, act: str) -> str:
    reference = f"{visit.params['queue']}/{visit.params['id']}"
    visit.act(right, reference, act=act)
    return reference


def _back(visit: Visit, said: str) -> Response:
    return visit.done(back_or(visit, path_of("jobs", visit.params["queue"], visit.params["id"])), said)
