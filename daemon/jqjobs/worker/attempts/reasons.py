"""Why a job is ended from outside, in words, and whether it is being told already."""

from __future__ import annotations

from jqjobs.errors import JobCancelled, JobInterrupted, JobTimeout
from jqjobs.jobs.records import TakenJob

#: What is raised in jobs from outside.
REASONS = (JobTimeout, JobCancelled, JobInterrupted)
STOPPED = "the worker must stop now"
CANCELLED = "somebody has cancelled the job"
#: An exception that was raised while another one was handled has that one as its context, and so on; so far we look.
_MOST_LINKS = 100


def late(job: TakenJob) -> str:
    """Return what a job is told whose time is up."""
    return f"the job ran longer than its time limit of {job.timeout_ms} ms"


def is_heeded(handled: BaseException | None) -> bool:
    """Whether a reason stands behind what is being handled: raised once more, it would tear what cleans up."""
    for _ in range(_MOST_LINKS):
        if handled is None or isinstance(handled, REASONS):
            break
        handled = handled.__context__
    return isinstance(handled, REASONS)
