"""What commands tell of a daemon and its workers: a JSON value, lines for people, and what wants attention.

Pure functions from what `read_registry` found to text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jqjobs.base.clock import format_age
from jqjobs.cli.output import Column, number, plural, table
from jqjobs.store.reads.notes import progress_text
from jqjobs.store.reads.registry import DaemonInfo, RunningJob, WorkerInfo

START_ONE = "start one: jqd --app yourpackage.jobs:app"
#: A daemon says something every few seconds; silence beyond this is worth a word.
_SILENT_S = 5.0

_WORKER_COLUMNS = (
    Column("PID", right=True), Column("STATE"), Column("RSS MB", right=True), Column("AGE", right=True),
    Column("CURRENT JOB", flexible=True),
)  # fmt: skip
_STATES = {
    "starting": "STARTING",
    "quiet": "QUIET: takes no new jobs (SIGCONT resumes)",
    "reloading": "RELOADING",
    "waiting_memory": "WAITING FOR MEMORY: takes no new jobs",
    "waiting_redis": "WAITING FOR REDIS",
    "draining": "DRAINING: takes no new jobs and ends",
}


def title(daemon: DaemonInfo) -> str:
    """Return how a daemon is called to a person: names need not be unique, host and pid nearly are."""
    return f"{daemon.name or daemon.id} on {daemon.host or '?'} (pid {number(daemon.pid)})"


def daemon_json(daemon: DaemonInfo) -> dict[str, Any]:
    """Return a daemon and its workers as a JSON value."""
    workers = [worker._asdict() | {"jobs": [job._asdict() for job in worker.jobs]} for worker in daemon.workers]
    return daemon._asdict() | {"workers": workers}


def daemon_lines(daemon: DaemonInfo) -> Iterator[str]:
    """Return a daemon's line, its notes, and the table of its workers."""
    age = "" if daemon.age_s is None else f", up {format_age(daemon.age_s)}"
    who = f"pid {number(daemon.pid)} on {daemon.host or '?'}{age}, jqjobs {daemon.version or '?'}"
    yield f"DAEMON {daemon.name or daemon.id}: {daemon.state or 'state unknown'} ({who})"
    yield f"  queues: {' '.join(daemon.queues) or 'none'}"
    yield from (f"  ! {note}" for note in daemon_notes(daemon))
    if daemon.workers:
        yield from table(_WORKER_COLUMNS, [_worker_cells(worker) for worker in daemon.workers], indent="  ")


def daemon_notes(daemon: DaemonInfo) -> Iterator[str]:
    """Return what a person should know of a daemon; nothing when it simply runs."""
    state = _STATES.get(daemon.state, "")
    if state or daemon.note:
        yield ": ".join(filter(None, (state, daemon.note)))
    if daemon.slots is not None and len(daemon.workers) < daemon.slots:
        yield f"{plural(len(daemon.workers), 'worker').upper()} OF {daemon.slots}"
    if silence := silence_of(daemon):
        yield silence


def _worker_cells(worker: WorkerInfo) -> list[str]:
    rss = "-" if worker.rss_bytes is None else f"{worker.rss_bytes / 1e6:.1f}"
    age = "-" if worker.age_s is None else format_age(worker.age_s)
    return [number(worker.pid), worker.state or "?", rss, age, _runs(worker.jobs)]


def _runs(jobs: Sequence[RunningJob]) -> str:
    if not jobs:
        return "-"
    longest = max(jobs, key=lambda job: job.running_s)
    others = f", and {plural(len(jobs) - 1, 'job')} more" if len(jobs) > 1 else ""
    said = [f"attempt {longest.attempt}", f"for {format_age(longest.running_s)}", progress_text(longest.progress)]
    return f"{longest.name} {longest.queue}/{longest.id} ({', '.join(filter(None, said))}){others}"


def silence_of(daemon: DaemonInfo) -> str:
    """Return for how long nothing was heard of a daemon, "" when it was heard of just now."""
    return f"SILENT for {format_age(daemon.seen_s)}" if daemon.seen_s > _SILENT_S else ""
