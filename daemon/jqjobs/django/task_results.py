"""What is known of a job, as Django's Tasks framework says it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from jqjobs.django.framework import TaskError, TaskResult, TaskResultStatus
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.fingerprints import class_path
from jqjobs.jobs.records import State
from jqjobs.store.reads.jobs import Attempt, JobInfo

_STATUS: Mapping[str, Any] = {
    State.ACTIVE: TaskResultStatus.RUNNING, State.WAITING: TaskResultStatus.RUNNING,
    State.KEPT: TaskResultStatus.SUCCESSFUL, State.DEAD: TaskResultStatus.FAILED,
}  # fmt: skip
#: What ends an attempt although it did nothing wrong.
_FREE = ("interrupted", "lost", "released")
_ERRORS = {"hung": "jqjobs.errors.JobTimeout", "cancelled": "jqjobs.errors.JobCancelled"}
_ANY_ERROR = "jqjobs.errors.JobFailed"


def new_result(task: Any, ref: str, alias: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the result of a task that was just enqueued."""
    return TaskResult(
        task=task, id=ref, status=TaskResultStatus.READY, enqueued_at=timezone.now(), started_at=None,
        finished_at=None, last_attempted_at=None, args=args, kwargs=kwargs, backend=alias, errors=[], worker_ids=[],
    )  # fmt: skip


def running_result(task: Any, job: JobContext | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the result of the task that runs here; of a plain call, which is no job, one without an id."""
    now, workers = timezone.now(), [job.worker] * (job.failures + 1) if job else [""]
    return TaskResult(
        task=task, id=job.ref if job else "", status=TaskResultStatus.RUNNING, enqueued_at=None, started_at=now,
        finished_at=None, last_attempted_at=now, args=args, kwargs=kwargs, backend=task.backend, errors=[],
        worker_ids=workers,
    )  # fmt: skip


def stored_result(task: Any, info: JobInfo, alias: str) -> Any:
    """Return the result of a task as Redis has it."""
    first = next((each.started_ms for each in info.history if each.started_ms), info.started_ms)
    result = TaskResult(
        task=task, id=f"{info.queue}/{info.id}", status=_STATUS.get(info.state, TaskResultStatus.READY),
        enqueued_at=_moment(info.enqueued_ms), started_at=_moment(first), finished_at=_moment(info.finished_ms),
        last_attempted_at=_moment(info.started_ms), args=info.args or [], kwargs=info.kwargs or {}, backend=alias,
        errors=list(_errors(info)), worker_ids=list(_workers(info)),
    )  # fmt: skip
    object.__setattr__(result, "_return_value", info.result)
    return result


def _errors(info: JobInfo) -> Iterator[Any]:
    told = [each for each in info.history if each.reason not in _FREE]
    yield from map(_error, told)
    if info.state == State.DEAD and not told:  # nobody has run it: cancelled, expired, unknown
        reason = info.reason or ""
        yield TaskError(exception_class_path=_ERRORS.get(reason, _ANY_ERROR), traceback=info.error or reason)


def _error(attempt: Attempt) -> Any:
    path = attempt.error_class or _ERRORS.get(attempt.reason or "", _ANY_ERROR)
    path = path if "." in path else f"builtins.{path}"
    return TaskError(exception_class_path=path, traceback=attempt.traceback or attempt.error or "")


def error_of(error: BaseException) -> Any:
    """Return what a task has raised, as it is handled."""
    path = class_path(error)
    told = "".join(traceback.format_exception(error))
    return TaskError(exception_class_path=path if "." in path else f"builtins.{path}", traceback=told)


def _workers(info: JobInfo) -> Iterator[str]:
    yield from (each.worker or "" for each in info.history)
    if info.state in (State.ACTIVE, State.KEPT):
        yield info.worker or ""


def _moment(ms: int | None) -> datetime | None:
    if ms is None:
        return None
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment if settings.USE_TZ else timezone.make_naive(moment)
