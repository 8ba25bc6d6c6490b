"""The log line about the end of an attempt: of each that failed, and of the successes that ``--log-jobs`` asks for."""

from __future__ import annotations

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind, TakenJob

_SUCCESSES = (Kind.DONE, Kind.KEPT)
#: Ends that are no news: nobody did anything wrong.
_QUIET = (*_SUCCESSES, Kind.DEFERRED, Kind.THROTTLED, Kind.WAITING, Kind.RELEASED)


class JobLog:
    """Says how attempts ended; called from any thread."""

    def __init__(self, success_ms: int) -> None:
        """``success_ms``: successes that took so long are said; -1: none is."""
        self._success_ms = success_ms
        #: Whether to say anything of an attempt that has no outcome to report. Asked after each job.
        self.has_successes = success_ms >= 0

    def say(self, job: TakenJob, outcome: Outcome | None) -> None:
        """Log the end of an attempt, None: a success with nothing more to report; or do not, when it is no news."""
        ms = monotonic_ms() - job.started_ms
        if outcome is None or outcome.kind in _SUCCESSES:
            if self.has_successes and ms >= self._success_ms:
                log.event("job.done", job=f"{job.queue}/{job.id}", name=job.name, attempt=job.attempt, ms=ms)
        elif outcome.kind not in _QUIET:
            log.event(
                f"job.{outcome.kind.value}", level=log.WARNING, job=f"{job.queue}/{job.id}", name=job.name,
                attempt=job.attempt, ms=ms, error=outcome.error or None,
            )  # fmt: skip
