"""Why a job is ended from outside, in words, and whether it is being told already."""

from __future__ import annotations

from typing import Any

from jqjobs.errors import JobCancelled, JobInterrupted, JobTimeout
from jqjobs.jobs.taken_job import TakenJob

#: What is raised in jobs from outside.
REASONS = (JobTimeout, JobCancelled, JobInterrupted)
STOPPED = "the worker must stop now"
CANCELLED = "somebody has cancelled the job"
#: An exception that was raised while another one was handled has that one as its context, and so on; so far we look.
_MOST_LINKS = 100
#: The context of any error, whatever attributes it has of its own.
_CONTEXT: Any = BaseException.__dict__["__context__"]


def late(job: TakenJob) -> str:
    """Return what a job is told whose time is up."""
    return f"the job ran longer than its time limit of {job.timeout_ms} ms"


def told_in(error: BaseException) -> BaseException:
    """Return what a job was told when its end is a group with that in it, else the error itself."""
    told: BaseException | None = error.subgroup(REASONS) if isinstance(error, BaseExceptionGroup) else None
    while isinstance(told, BaseExceptionGroup):
        told = told.exceptions[0]
    return told or error


def ended_while_told(error: BaseException, what: type[BaseException]) -> bool:
    """Whether a job raised an error while it heeded ``what``: its cleaning up failed, or it says that in own words."""
    behind: BaseException | None = error
    for _ in range(_MOST_LINKS):
        if behind is None or isinstance(told_in(behind), what):
            break
        behind = _context_of(behind)
    return behind is not None and isinstance(told_in(behind), what)


def led_to(error: BaseException, what: type[BaseException]) -> bool:
    """Whether an error, or one in a group, is ``what`` or was raised while that was handled."""
    left = [error]
    for _ in range(_MOST_LINKS):
        if not left:
            break
        one = left.pop()
        if isinstance(one, what):
            return True
        if (behind := _context_of(one)) is not None:
            left.append(behind)
        if isinstance(one, BaseExceptionGroup):
            left.extend(one.exceptions)
    return False


def put_behind(error: BaseException, reason: BaseException) -> None:
    """Have an error be one that was raised while ``reason`` was handled, before all else that was."""
    for _ in range(_MOST_LINKS):
        behind = _context_of(error)
        if behind is None:
            _CONTEXT.__set__(error, reason)
            break
        error = behind


def is_heeded(handled: BaseException | None) -> bool:
    """Whether a reason stands behind what is being handled: raised once more, it would tear what cleans up."""
    for _ in range(_MOST_LINKS):
        if handled is None or isinstance(handled, REASONS):
            break
        handled = _context_of(handled)
    return isinstance(handled, REASONS)


def _context_of(error: BaseException) -> BaseException | None:
    found: BaseException | None = _CONTEXT.__get__(error)
    return found
