"""What a worker has in its hands, for tests of its batch."""

from __future__ import annotations

from typing import Any

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.trips.batch import Batch


def jobs(count: int) -> list[TakenJob]:
    return [TakenJob("q", f"id-{n}", 1, "name", b"{}") for n in range(count)]


def ended(job: TakenJob, kind: Kind = Kind.FAILED, **fields: Any) -> Outcome:
    return Outcome(job, kind, **fields)


def started(batch: Batch) -> TakenJob:
    job = batch.start_next()
    assert job is not None
    return job


def reported(batch: Batch) -> list[str]:
    """Take what is to be reported: "id" of plain successes, then "id kind" of the rest."""
    report = batch.reports.take()
    return [job.id for job in report.done] + [f"{outcome.job.id} {outcome.kind}" for outcome in report.outcomes]
