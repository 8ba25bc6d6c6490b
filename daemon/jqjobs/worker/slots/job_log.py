"""The log line about the end of an attempt: of each that failed, and of the successes that ``--log-jobs`` asks for.

The failure that makes a job dead is an error with the exception itself, on the logger `jqjobs.job`: what watches
loggers (Sentry, handlers of the app) gets one event a dead job.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from jqjobs.base import log
from jqjobs.base.clock import format_age, monotonic_ms
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.classifier import frames_of

_SUCCESSES = (Kind.DONE, Kind.KEPT)
_FAILURES = (Kind.FAILED, Kind.HUNG)
#: Ends that are no news: nobody did anything wrong.
_QUIET = (*_SUCCESSES, Kind.DEFERRED, Kind.THROTTLED, Kind.WAITING, Kind.RELEASED)
#: What comes next, where the kind says it.
_NEXT = {
    Kind.DISCARDED: "dead", Kind.OVERSIZED: "dead", Kind.CANCELLED: "dead", Kind.MALFORMED: "rejected",
    Kind.INTERRUPTED: "retry at once",
}  # fmt: skip


class JobLog:
    """Says how attempts ended; called from any thread."""

    def __init__(self, success_ms: int, *, has_file: bool = False) -> None:
        """``success_ms``: successes that took so long are said; -1: none is. ``has_file``: there, each of them is."""
        self._success_ms = success_ms
        self._has_file = has_file
        #: Whether to say anything of an attempt that has no outcome to report. Asked after each job.
        self.has_successes = self._says_successes = success_ms >= 0 or has_file
        self._note: Callable[[TakenJob], None] | None = None

    def note_ends(self, note: Callable[[TakenJob], None] | None) -> None:
        """Have somebody else hear of each attempt that ends; None: nobody."""
        self._note = note
        self.has_successes = self._says_successes or note is not None

    def say(self, job: TakenJob, outcome: Outcome | None) -> None:
        """Log the end of an attempt, None: a success with nothing more to report; or do not, when it is no news."""
        if (note := self._note) is not None:
            note(job)
        ms = monotonic_ms() - job.started_ms
        if outcome is None or outcome.kind in _SUCCESSES:
            if (is_said := 0 <= self._success_ms <= ms) or self._has_file:
                logger, ref = log.JOBS if is_said else log.SUCCESSES_ASIDE, f"{job.queue}/{job.id}"
                log.event("job.done", logger=logger, job=ref, name=job.name, attempt=job.attempt, ms=ms)
        elif outcome.kind in _FAILURES:
            _say_failure(job, outcome, ms)
        elif outcome.kind is Kind.SNOOZED:
            log.event(
                "job.snoozed", logger=log.JOBS, job=f"{job.queue}/{job.id}", name=job.name, attempt=job.attempt, ms=ms,
                next=_next(outcome), error=outcome.error,
            )  # fmt: skip
        elif outcome.kind not in _QUIET:
            log.event(
                f"job.{outcome.kind.value}", level=log.WARNING, logger=log.JOBS, job=f"{job.queue}/{job.id}",
                name=job.name, attempt=job.attempt, ms=ms, next=_NEXT.get(outcome.kind) or None,
                error=outcome.error or None,
            )  # fmt: skip


def _say_failure(job: TakenJob, outcome: Outcome, ms: int) -> None:
    event = "job.hung" if outcome.kind is Kind.HUNG else "job.failed"
    raised, outcome.raised = outcome.raised, None  # its frames have the outcome: else it lived on in a circle
    with contextlib.suppress(SystemExit, KeyboardInterrupt, GeneratorExit):  # of who listens, or the error's own
        log.event(
            event, level=log.ERROR if outcome.is_last else log.WARNING, logger=log.JOBS, traceback=outcome.traceback,
            exc_info=(type(raised), raised, frames_of(raised)) if raised is not None else None,
            job=f"{job.queue}/{job.id}", name=job.name, attempt=job.attempt, ms=ms, next=_next(outcome),
            error=outcome.error,
        )  # fmt: skip


def _next(outcome: Outcome) -> str:
    if outcome.is_last:
        return "dead"
    return f"retry in {format_age(outcome.delay_ms / 1000)}" if outcome.delay_ms else "retry at once"
