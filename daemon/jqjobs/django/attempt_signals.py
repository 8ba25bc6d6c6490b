"""`task_started` and `task_finished`, sent around the function of a task by the worker that runs it.

Each attempt has started; a task has finished when it succeeded, or has no attempt left. That is before Redis knows: the
result that receivers get says all. What one of them raises is logged by Django, and no error of the task. What is ended
from outside, for its time limit or a stop, is not told of.
"""

from __future__ import annotations

import functools
import inspect
from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone

from jqjobs.django.framework import TaskResultStatus, task_finished, task_started
from jqjobs.django.task_results import error_of, running_result
from jqjobs.errors import Discard, JobCancelled, JobInterrupted, JobTimeout, Retry
from jqjobs.jobs.context import JobContext, current_job
from jqjobs.jobs.snooze import Snooze
from jqjobs.jobs.verdicts import Verdicts

_FROM_OUTSIDE = (CancelledError, JobCancelled, JobInterrupted, JobTimeout)


class AttemptSignals:
    """Those of one task. ``verdicts``: which errors are worth another attempt."""

    def __init__(self, task: Any, sender: type, verdicts: Callable[[], Verdicts]) -> None:
        self._task = task
        self._sender = sender
        self._verdicts = verdicts

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function of the task with its signals; called as no job it sends none."""
        around = self._around_coroutine if inspect.iscoroutinefunction(function) else self._around_plain
        return around(function)

    def _around_plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            if (job := current_job()) is None:
                return function(*args, **kwargs)
            began = self._started(job, args, kwargs)
            try:
                value = function(*args, **kwargs)
            except BaseException as error:
                self._failed(began, job, error)
                raise
            self._succeeded(began, value)
            return value

        return plain

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            if (job := current_job()) is None:
                return await function(*args, **kwargs)
            began = await sync_to_async(self._started)(job, args, kwargs)
            try:
                value = await function(*args, **kwargs)
            except _FROM_OUTSIDE:
                raise
            except BaseException as error:
                await sync_to_async(self._failed)(began, job, error)
                raise
            await sync_to_async(self._succeeded)(began, value)
            return value

        return awaited

    def _started(self, job: JobContext, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        result = running_result(self._task, job, args, kwargs)
        task_started.send_robust(self._sender, task_result=result)
        return result

    def _succeeded(self, began: Any, value: Any) -> None:
        self._finished(began, value, status=TaskResultStatus.SUCCESSFUL)

    def _failed(self, began: Any, job: JobContext, error: BaseException) -> None:
        if self._is_final(job, error):
            self._finished(began, None, status=TaskResultStatus.FAILED, errors=[error_of(error)])

    def _finished(self, began: Any, value: Any, **changes: Any) -> None:
        result = replace(began, finished_at=timezone.now(), **changes)
        object.__setattr__(result, "_return_value", value)
        task_finished.send_robust(self._sender, task_result=result)

    def _is_final(self, job: JobContext, error: BaseException) -> bool:
        if isinstance(error, (*_FROM_OUTSIDE, Snooze)):
            return False
        if isinstance(error, Discard):
            return True
        return job.is_last_attempt or (not isinstance(error, Retry) and self._verdicts().discards(error))
