"""One job: what it is, what it was given, what became of each attempt; and what can be done with it now."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jqjobs.errors import InvalidArguments
from jqjobs.jobs.records import State
from jqjobs.operations.lookup import read_job
from jqjobs.store.reads.jobs import Attempt, JobInfo
from jqjobs.store.reads.notes import progress_text
from jqjobs.store.reads.registry import Registry
from jqjobs.store.reply_values import strict_json
from jqjobs.web.access import Right
from jqjobs.web.acting import act_on_job
from jqjobs.web.beginnings import Beginning
from jqjobs.web.http import Response
from jqjobs.web.judgement import Judge
from jqjobs.web.pages.chain import batch_url, chain_of
from jqjobs.web.pages.links import back_or, first, path_of
from jqjobs.web.pages.overview import why
from jqjobs.web.visit import Visit

#: So much of arguments and results is shown; the JSON API tells all.
_MOST_CHARS = 4096
_BAD = ("failed", "hung", "crashed", "lost")


class Value(NamedTuple):
    """JSON as lines. ``is_whole``: nothing of it is left out."""

    lines: Sequence[str]
    is_whole: bool


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
    registry = visit.snapshot().status.registry
    judge = visit.judge(info.queue, info.name)
    path = path_of("jobs", info.queue, info.id)
    return visit.page(
        "job.html", job=info, arguments=_arguments(info, judge), result=_value(info.result, judge.value), path=path,
        is_judged=judge.knows, all_url=visit.url(f"/api/v1{path}"),
        attempts=[_attempt(each) for each in reversed(info.history)], why=why(info.reason, info.error),
        acts=buttons(visit, info.state), may_resolve=info.state == "waiting" and visit.access.may(Right.RESOLVE),
        progress=progress_text(info.progress), percent=_percent(info.progress), now_ms=info.now_ms,
        queue_url=visit.url(path_of("queues", info.queue)), again_url=visit.url(path_of("new", info.queue, info.name)),
        state_url=visit.url("/jobs", queue=info.queue, state=info.state), dump_path=_dump_path(visit, info, registry),
        chain=chain_of(visit, info), batch_url=batch_url(visit, info.batch),
        caller_url=batch_url(visit, info.called_by), group_url=_group_url(visit, info),
    )  # fmt: skip


def _group_url(visit: Visit, info: JobInfo) -> str:
    return visit.url("/jobs", queue=info.queue, state=info.state, group=info.group)


def _dump_path(visit: Visit, info: JobInfo, registry: Registry) -> str:
    """Return what tells the stack of a job that runs now, "" where nobody can tell it to who looks."""
    of = [daemon.id for daemon in registry.daemons for worker in daemon.workers if worker.id == info.worker]
    return path_of("daemons", of[0], "dump") if of and visit.access.may(Right.DAEMON) else ""


def buttons(visit: Visit, state: str) -> list[ActButton]:
    """Return what who looks may do with a job in a state."""
    return [ActButton(act, label, kind) for act, label, kind, states, right in _ACTS
            if state in states and visit.access.may(right)]  # fmt: skip


def _arguments(info: JobInfo, judge: Judge) -> Value:
    if info.payload is not None:
        return _cut(judge.text(info.payload))
    if info.args and info.kwargs:
        return _value({"args": info.args, "kwargs": info.kwargs}, judge.envelope)
    return _value(info.args, judge.args) if info.args else _value(info.kwargs or {}, judge.value)


def _value(value: Any, judged: Callable[[Any], Any]) -> Value:
    """Return what a page shows: cut off first, since judging and writing a megabyte takes a second."""
    beginning = Beginning(value, _MOST_CHARS)
    return _cut(json.dumps(judged(beginning.value), indent=2, ensure_ascii=False), is_whole=beginning.is_whole)


def _cut(text: str, *, is_whole: bool = True) -> Value:
    return Value(text[:_MOST_CHARS].split("\n"), is_whole and len(text) <= _MOST_CHARS)


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


#: What an act has come to, as people are told.
_SAID = {"retry": "is ready again", "promote": "is due now", "delete": "is deleted", "resolve": "is answered"}


def act(visit: Visit) -> Response:
    """Do something to one job, and go back to where that was asked for."""
    queue, job_id, word = (visit.params[name] for name in ("queue", "id", "act"))
    answer = act_on_job(visit, word, queue, job_id, _answer(visit) if word == "resolve" else {})
    said = _SAID.get(word) or ("is being cancelled: a worker holds it" if answer["cancelling"] else "is cancelled")
    if word == "delete":
        return visit.done("/jobs", f"{queue}/{job_id} {said}", queue=queue)
    return visit.done(back_or(visit, path_of("jobs", queue, job_id)), f"{queue}/{job_id} {said}")


def _answer(visit: Visit) -> dict[str, Any]:
    """Return what the form says of a job that waits: the error that it failed of, else its result."""
    form = visit.form()
    if failed := first(form, "error").strip():
        return {"error": failed}
    try:
        return {"result": strict_json(first(form, "result").strip() or "null")}
    except ValueError as error:
        raise InvalidArguments(f"the result is no JSON: {error}", hint='write text in quotes: "done"') from None
