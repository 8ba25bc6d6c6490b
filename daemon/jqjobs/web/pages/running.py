"""What runs now, the longest first, beside how long jobs of its name usually take."""

from __future__ import annotations

from typing import NamedTuple

from jqjobs.operations.top import Running
from jqjobs.store.reads.notes import progress_text
from jqjobs.web.access import Right
from jqjobs.web.http import Response
from jqjobs.web.pages.links import job_url, path_of
from jqjobs.web.visit import Visit

_MOST_ROWS = 200


class RunningRow(NamedTuple):
    """A job that runs. ``is_late``: it takes longer than 95 % of its name. ``dump_path``: of its stack."""

    job: Running
    url: str
    cancel_path: str
    is_late: bool
    dump_path: str
    attempt: int
    progress: str


def running(visit: Visit) -> Response:
    """Show what runs."""
    report = visit.snapshot()
    registry = report.status.registry
    told = {(job.queue, job.id): (daemon.id, job) for daemon in registry.daemons
            for worker in daemon.workers for job in worker.jobs}  # fmt: skip
    rows = []
    for job in report.running[:_MOST_ROWS]:
        daemon, info = told[job.queue, job.id]
        is_late = job.p95_ms is not None and job.elapsed_ms > job.p95_ms
        rows.append(RunningRow(
            job, job_url(visit, job.queue, job.id), path_of("jobs", job.queue, job.id, "cancel"), is_late,
            path_of("daemons", daemon, "dump"), info.attempt, progress_text(info.progress),
        ))  # fmt: skip
    return visit.page(
        "running.html", rows=rows, left_out=max(0, len(report.running) - _MOST_ROWS), now_ms=report.now_ms,
        has_daemons=bool(registry.daemons), why_mute=registry.why_mute,
        may_cancel=visit.access.may(Right.CANCEL), may_dump=visit.access.may(Right.DAEMON),
    )  # fmt: skip
