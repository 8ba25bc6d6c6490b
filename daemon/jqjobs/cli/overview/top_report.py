"""What `jqctl top` tells: read from the store, as JSON, and as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jqjobs.base.clock import format_age
from jqjobs.base.sizes import format_size
from jqjobs.cli.colours import Colour
from jqjobs.cli.overview.queue_report import queue_table
from jqjobs.cli.overview.status_report import no_daemon_note
from jqjobs.cli.tables import Column, Part, Table
from jqjobs.operations.top import Head, Running, TopReport
from jqjobs.store.reads.search import JobRow


def as_text(report: TopReport, most: int) -> Iterator[Part]:
    """Return what ``top`` tells people; ``most``: rows of each table."""
    yield _head(report.head)
    if not report.status.registry.daemons:
        yield no_daemon_note(report.status.registry)
    if report.status.queues:
        yield ""
        yield queue_table(report.status.queues, report.status.registry, most)
    yield from (f"! {name} CANNOT BE COUNTED: {why}" for name, why in report.status.broken.items())
    if report.running:
        yield ""
        yield from _running_parts(report.running, most)
    if report.dead:
        yield ""
        columns = (Column("DIED"), Column("JOB", flexible=True), Column("NAME", flexible=True),
                   Column("ERROR", flexible=True))  # fmt: skip
        yield Table(columns, [_dead_cells(row, report.now_ms) for row in report.dead[:most]])


def _head(head: Head) -> str:
    wait = "-" if head.wait_p95_ms is None else format_age(head.wait_p95_ms / 1000)
    memory = "-" if head.memory_bytes is None else format_size(head.memory_bytes)
    return f"{head.jobs_per_s:g} jobs/s  {head.failures_per_s:g} failures/s  wait p95 {wait}  Redis {memory}"


def _running_parts(running: Sequence[Running], most: int) -> Iterator[Part]:
    columns = (
        Column("RUNNING", right=True, colour=_late), Column("P95", right=True), Column("JOB", flexible=True),
        Column("NAME", flexible=True), Column("WORKER", flexible=True, goes=1),
    )  # fmt: skip
    yield Table(columns, [_running_cells(job) for job in running[:most]])
    if len(running) > most:
        yield f"and {len(running) - most} more"


def _late(cell: str) -> Colour | None:
    """Return the colour of how long a job runs: that of one which takes longer than most stands out."""
    return Colour.YELLOW if cell.startswith(_LATE) else None


_LATE = "> "


def _running_cells(job: Running) -> list[str]:
    is_late = job.p95_ms is not None and job.elapsed_ms > job.p95_ms
    p95 = "-" if job.p95_ms is None else format_age(job.p95_ms / 1000)
    return [f"{_LATE if is_late else ''}{format_age(job.elapsed_ms / 1000)}", p95, job.ref, job.name, job.worker]


def _dead_cells(row: JobRow, now_ms: int) -> list[str]:
    age = "-" if row.at_ms is None else f"{format_age(max(0, now_ms - row.at_ms) / 1000)} ago"
    return [age, f"{row.queue}/{row.id}", row.name or "-", ": ".join(filter(None, (row.reason, row.error))) or "-"]
