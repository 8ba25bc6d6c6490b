"""Calls the cleanup hooks of an attempt that has ended, before its outcome is reported: the job runs nowhere else yet.

The board says how the attempt ended before they begin, so a crash or a time limit in here undoes nothing. Of an attempt
whose worker died they are called by others, see `hook_calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from types import CoroutineType
from typing import Any, Protocol

from jqjobs.api.app import App
from jqjobs.base import log
from jqjobs.jobs.context import JobContext, context_of
from jqjobs.jobs.hooks import Hook
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.attempt import Attempt
from jqjobs.worker.attempts.hook_calls import HOOK_LIMIT_MS, call_hook
from jqjobs.worker.attempts.reasons import REASONS

#: Says on the board how an attempt ended; False: others may have the job by now, so nothing is to be cleaned up here.
MayCleanUp = Callable[[Outcome], bool]


class CleanupGuard(Protocol):
    """Runs what must not take for ever, and what a stop of the worker does not tear out."""

    def call_limited(self, work: TakenJob, call: Callable[[], None], *, heeds_stop: bool = True) -> None:
        """Call under the time limit of ``work``. Raises: JobTimeout."""
        ...

    def run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end."""
        ...


def cleanups_of(app: App, attempt: Attempt) -> Sequence[Hook]:
    """Return the cleanup hooks of an attempt; none when it did not begin, and there is no earlier one to clean up."""
    if attempt.context is None and not attempt.job.uncleaned:
        return ()
    return list(app.registry.hooks_of(attempt.known, "cleanup"))


def clean_up(hooks: Sequence[Hook], attempt: Attempt, guard: CleanupGuard) -> None:
    """Call cleanup hooks, in the thread of the attempt."""
    job = _ended(attempt)
    for hook in hooks:
        try:
            work = TakenJob("", job.ref, 0, "cleanup", b"", timeout_ms=HOOK_LIMIT_MS)
            guard.call_limited(work, partial(call_hook, "cleanup", hook, (job,), guard.run_async), heeds_stop=False)
        except REASONS as error:
            _say_ended(job, str(error))


async def clean_up_aside(hooks: Sequence[Hook], attempt: Attempt) -> None:
    """Call cleanup hooks, in the task of the attempt."""
    import asyncio

    job = _ended(attempt)
    for hook in hooks:
        limit = asyncio.timeout(HOOK_LIMIT_MS / 1000)
        try:
            async with limit:
                result = hook(job)
                if isinstance(result, CoroutineType):
                    await result
        except BaseException as error:  # CancelledError included: nobody else ends the task of a job that is over
            if isinstance(error, TimeoutError) and limit.expired():
                _say_ended(job, f"it ran longer than {HOOK_LIMIT_MS} ms")
            else:
                log.event("hook.failed", level=log.ERROR, exc_info=True, hook="cleanup", job=job.ref, name=job.name)


def _ended(attempt: Attempt) -> JobContext:
    """Return the job as of the attempt that has ended: this one, or the one before when this one did not begin."""
    has_begun = attempt.context is not None
    job = context_of(attempt)
    return job if has_begun else replace(job, attempt=attempt.job.uncleaned, _reporter=None)


def _say_ended(job: JobContext, error: str) -> None:
    log.event("hook.ended", level=log.ERROR, hook="cleanup", job=job.ref, error=error)
