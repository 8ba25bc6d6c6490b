"""That a job has its worker to itself, since it may be the one that kills workers: `jobs.blame` has the rules."""

from __future__ import annotations

from dataclasses import dataclass

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.taken_job import TakenJob


@dataclass(frozen=True, slots=True)
class Solitude:
    """Of one job, until ``until_ms`` on the monotonic clock where that holds up others."""

    job: TakenJob
    until_ms: float

    @property
    def is_over(self) -> bool:
        """Whether others need not wait for it any more, nor it for them."""
        return monotonic_ms() >= self.until_ms


def solitude_of(job: TakenJob) -> Solitude | None:
    """Return what a job gets that has just been taken; None for most."""
    alone_ms = job.suspicion.alone_ms if job.suspicion else 0
    return Solitude(job, monotonic_ms() + alone_ms) if alone_ms else None
