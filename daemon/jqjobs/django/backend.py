"""The backend of Django's Tasks framework: each task is a job of the project's app."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from django.db import transaction

from jqjobs.api.engine_choice import in_outbox
from jqjobs.api.function import Job
from jqjobs.api.handle import JobHandle
from jqjobs.api.terms import DEFAULT_ALIAS
from jqjobs.django import checks
from jqjobs.django.framework import (
    BaseTaskBackend,
    InvalidTask,
    TaskResultDoesNotExist,
    normalize_json,
    task_enqueued,
)
from jqjobs.django.on_commit import is_in_transaction
from jqjobs.django.project import alias_of, checked_options, commit_of, project_app
from jqjobs.django.registered import RegisteredTasks
from jqjobs.django.task_options import OF_CALLS, JqTask, options_of
from jqjobs.django.task_results import new_result, stored_result
from jqjobs.errors import InvalidArguments, InvalidName, InvalidOption, NotFound
from jqjobs.jobs.argument_text import filled_in
from jqjobs.jobs.records import OUTBOX
from jqjobs.store.reads.jobs import JobInfo


@cache
def registered_tasks() -> RegisteredTasks:
    """Return the tasks of this project."""
    return RegisteredTasks(project_app(), JqBackend)


class JqBackend(BaseTaskBackend):  # type: ignore[misc, unused-ignore]
    """Enqueues tasks to Redis, and reads what became of them. OPTIONS: url, prefix, keep, on_commit."""

    task_class = JqTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        """Raises: ImproperlyConfigured."""
        super().__init__(alias, params)
        checked_options(self.options)

    def validate_task(self, task: Any) -> None:
        """Register a task. Raises: InvalidTask when it cannot be."""
        super().validate_task(task)
        registered_tasks().job_of(task)

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Store a call of a task, when the transaction commits if it is to wait for one; return its result.

        Raises: TypeError, ValueError for arguments that are no JSON or that the task does not take; InvalidTask;
        StoreError and its kinds.
        """
        self.validate_task(task)
        args, kwargs = normalize_json(args), normalize_json(kwargs)
        options = self._options(task)
        try:
            job = self._job(task, args, kwargs, options)
            result = new_result(task, job.enqueue(*args, **kwargs).ref, self.alias, args, kwargs)
        except InvalidArguments as error:
            raise TypeError(error.in_one_line()) from error
        tell = partial(task_enqueued.send, type(self), task_result=result)
        alias = options["outbox"] or alias_of(options["on_commit"])
        transaction.on_commit(tell, using=alias) if alias and is_in_transaction(alias) else tell()
        return result

    def get_result(self, result_id: str) -> Any:
        """Return what is known of a task by the id of its result.

        Raises: TaskResultDoesNotExist, also when it succeeded and nothing of it is kept; StoreError and its kinds.
        """
        try:
            info = self._handle(result_id).info()
        except (NotFound, InvalidName) as error:
            raise TaskResultDoesNotExist(error.in_one_line()) from error
        task = registered_tasks().find(info.name)
        if task is None:
            raise TaskResultDoesNotExist(f"{result_id} is a job {info.name!r}, and no task of this project")
        return stored_result(self._as_called(task, info), info, self.alias)

    def check(self, **kwargs: Any) -> Iterable[Any]:
        """Yield what is wrong with the settings."""
        return checks.of_backend(self.alias, self.queues, self.options)

    def _handle(self, ref: str) -> JobHandle:
        """Return the handle of a task; it sees one that is in the outbox still. Raises: InvalidName."""
        app = project_app()
        handle = app.handle(ref)
        if commit_of(self.options) != OUTBOX:
            return handle
        return replace(handle, _engine=in_outbox(lambda: app.engine, DEFAULT_ALIAS)())

    def _options(self, task: Any) -> dict[str, Any]:
        """Return what holds for a call of a task: what is said of it, over what is said of the backend."""
        own = {"keep": self.options.get("keep"), "on_commit": commit_of(self.options), "outbox": None}
        return own | {name: value for name, value in options_of(task).items() if name in OF_CALLS}

    def _job(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any], options: dict[str, Any]) -> Job[..., Any]:
        """Return the job of a task with the options of a call. Raises: InvalidTask, InvalidArguments."""
        job = registered_tasks().job_of(task)
        key = options.get("key")
        if key and "{" in key:
            options = options | {"key": filled_in(key, job.signature.named(args, kwargs), "the key")}
        try:
            return job.options(queue=task.queue_name, priority=task.priority, due=task.run_after, **options)
        except (InvalidOption, InvalidName) as error:
            raise InvalidTask(f"{task.module_path}: {error.in_one_line()}") from error

    def _as_called(self, task: Any, info: JobInfo) -> Any:
        """Return a task with queue and priority of a call, as it is where they are none for a task."""
        try:
            return task.using(backend=self.alias, queue_name=info.queue, priority=info.priority)
        except InvalidTask:
            return task
