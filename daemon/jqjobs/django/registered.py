"""The tasks of a project as jobs of its app: under their module path, registered when Django validates them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from jqjobs.api.app import App
from jqjobs.api.function import Job
from jqjobs.django.attempt_signals import AttemptSignals
from jqjobs.django.framework import InvalidTask, TaskContext
from jqjobs.django.task_options import OF_TASKS, PUBLISHED, options_of
from jqjobs.django.task_results import running_result
from jqjobs.errors import JqError
from jqjobs.jobs.context import current_job


class RegisteredTasks:
    """The tasks of one app, by name."""

    def __init__(self, app: App, sender: type) -> None:
        """``sender``: of the signals, the class of the backend."""
        self._app = app
        self._sender = sender
        self._tasks: dict[str, Any] = {}

    def job_of(self, task: Any) -> Job[..., Any]:
        """Return the job of a task, registered if it is not yet. Raises: InvalidTask."""
        known = self._tasks.get(task.module_path)
        if known is None or known.func is not task.func:
            self._register(task)
        return self._app.jobs[task.module_path]

    def find(self, name: str) -> Any | None:
        """Return the task of that name; None when the project has none."""
        if name not in self._tasks:
            self._app.load()  # nobody has imported its module yet; the name itself is never imported
        return self._tasks.get(name)

    def _register(self, task: Any) -> None:
        said = options_of(task)
        try:
            self._app.job(
                name=task.module_path, queue=task.queue_name, priority=task.priority,
                **{name: said[name] for name in (*OF_TASKS, *PUBLISHED) if name in said},
            )(self._function_of(task))  # fmt: skip
        except JqError as error:
            raise InvalidTask(f"{task.module_path}: {error.in_one_line()}") from error
        self._tasks[task.module_path] = task

    def _function_of(self, task: Any) -> Callable[..., Any]:
        """Return what a worker calls: the function of a task, with its signals and without its context."""
        signals = AttemptSignals(task, self._sender, lambda: self._app.jobs[task.module_path].settings.verdicts)
        return signals.around(_with_context(task) if task.takes_context else task.func)


def _with_context(task: Any) -> Callable[..., Any]:
    """Return the function of a task without its first parameter, which it is given here."""
    signature = inspect.signature(task.func)
    _, *others = signature.parameters.values()

    @functools.wraps(task.func)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return task.func(_context(task, args, kwargs), *args, **kwargs)

    @functools.wraps(task.func)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await task.func(_context(task, args, kwargs), *args, **kwargs)

    made: Callable[..., Any] = awaited if inspect.iscoroutinefunction(task.func) else plain
    made.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
    return made


def _context(task: Any, args: Any, kwargs: Any) -> Any:
    return TaskContext(task_result=running_result(task, current_job(), args, kwargs))
