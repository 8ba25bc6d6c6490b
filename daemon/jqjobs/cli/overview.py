"""What `jqctl status` tells: read from the store, as JSON, and as text for people.

Reading is in `read_overview`; all below it are pure functions from values to text. What needs somebody's
attention is said in words, on a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jqjobs.base.clock import format_age
from jqjobs.cli.output import Column, plural, table
from jqjobs.errors import StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.reads.notes import progress_text
from jqjobs.store.reads.queues import QueueStatus, is_name, known_queues, queue_status
from jqjobs.store.reads.registry import DaemonInfo, Registry, RunningJob, WorkerInfo, read_registry, with_progress
from jqjobs.store.store import Store

#: A daemon says something every few seconds; silence beyond this is worth a word.
_SILENT_S = 5.0

_QUEUE_COLUMNS = (
    Column("QUEUE", flexible=True), Column("INBOX", right=True), Column("READY", right=True),
    Column("SCHEDULED", right=True), Column("ACTIVE", right=True), Column("HELD", right=True),
    Column("WAITING", right=True),
    Column("DEAD", right=True), Column("DONE/MIN", right=True), Column("FAIL/MIN", right=True),
    Column("OLDEST", right=True),
)  # fmt: skip
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
_START = "start one: jqd --app yourpackage.jobs:app"


class Overview(NamedTuple):
    """All that `status` shows. ``broken``: queue → why it cannot be counted."""

    address: str
    registry: Registry
    queues: Sequence[QueueStatus]
    broken: Mapping[str, str]


def read_overview(store: Store, only: Sequence[str] = ()) -> Overview:
    """Count all queues (or ``only`` some) and read who is running. Raises: StoreUnavailable, StoreRefused."""
    registry = with_progress(store, read_registry(store))
    if only:
        daemons = tuple(daemon for daemon in registry.daemons if set(only) & set(daemon.queues))
        registry = Registry(registry.now_ms, daemons)
    names = sorted(set(only)) or _all_names(store, registry)
    queues: list[QueueStatus] = []
    broken: dict[str, str] = {}
    for name, answer in zip(names, store.run_many([queue_status(name) for name in names]), strict=True):
        if isinstance(answer, (StoreUnavailable, StoreRefused)):
            raise answer
        if isinstance(answer, StoreError):
            broken[name] = answer.message
        else:
            queues.append(answer)
    return Overview(str(store.address), registry, queues, broken)


def _all_names(store: Store, registry: Registry) -> list[str]:
    served = {queue for daemon in registry.daemons for queue in daemon.queues if is_name(queue)}
    return sorted(served | set(known_queues(store)))


def as_json(overview: Overview) -> dict[str, Any]:
    """Return the answer of ``status --json``."""
    return {
        "now_ms": overview.registry.now_ms,
        "redis": overview.address,
        "queues": queues_json(overview),
        "daemons": [daemon_json(daemon) for daemon in overview.registry.daemons],
    }


def queues_json(overview: Overview) -> list[dict[str, Any]]:
    """Return the queues as JSON values; one that cannot be counted has only ``name`` and ``error``."""
    sound = [
        queue._asdict() | {"paused": queue.paused_ms is not None, "served": overview.registry.serves(queue.name)}
        for queue in overview.queues
    ]
    broken = [{"name": name, "error": why} for name, why in overview.broken.items()]
    return sorted(sound + broken, key=lambda queue: str(queue["name"]))


def daemon_json(daemon: DaemonInfo) -> dict[str, Any]:
    """Return a daemon and its workers as a JSON value."""
    workers = [worker._asdict() | {"jobs": [job._asdict() for job in worker.jobs]} for worker in daemon.workers]
    return daemon._asdict() | {"workers": workers}


def as_text(overview: Overview) -> Iterator[str]:
    """Return the lines of ``status`` for people."""
    daemons = overview.registry.daemons
    workers = sum(len(daemon.workers) for daemon in daemons)
    queues = len(overview.queues) + len(overview.broken)
    counted = ", ".join([plural(queues, "queue"), plural(len(daemons), "daemon"), plural(workers, "worker")])
    yield f"Redis at {overview.address}: {counted}"
    if not daemons:
        yield f"! NO DAEMON IS RUNNING, so no job is executed; {_START}"
    if not queues:
        yield "No queue is known yet. A first job: jqctl enqueue NAME --args '[42]'"
    else:
        yield ""
        yield from queue_lines(overview)
    for daemon in daemons:
        yield ""
        yield from daemon_lines(daemon)


def queue_lines(overview: Overview) -> Iterator[str]:
    """Return the table of queues, each with its notes below it."""
    title, *lines = table(_QUEUE_COLUMNS, [_queue_cells(queue) for queue in overview.queues])
    yield title
    for queue, line in zip(overview.queues, lines, strict=True):
        yield line
        yield from queue_notes(queue, overview.registry)
    for name, why in overview.broken.items():
        yield name
        yield f"  ! CANNOT BE COUNTED: {why}"


def _queue_cells(queue: QueueStatus) -> list[str]:
    counts = (queue.inbox, queue.ready, queue.scheduled, queue.active, queue.held, queue.waiting, queue.dead)
    rates = (queue.done_per_minute, queue.failed_per_minute)
    oldest = "-" if queue.oldest_ready_s is None else format_age(queue.oldest_ready_s)
    return [queue.name, *map(str, counts), *(f"{rate:.1f}" for rate in rates), oldest]


def queue_notes(queue: QueueStatus, registry: Registry) -> Iterator[str]:
    """Return what a person should know of a queue, a line each; nothing when all is well."""
    see = f"jqctl job list --queue {queue.name} --state"
    if queue.paused_ms is not None:
        age = format_age(max(0, queue.now_ms - queue.paused_ms) / 1000)
        yield f"  ! PAUSED for {age}: no job is taken (jqctl queue resume {queue.name})"
    if registry.daemons and not registry.serves(queue.name):
        yield "  ! NOT SERVED: no daemon takes jobs of this queue (jqd --queues)"
    if queue.dead:
        yield f"  ! {queue.dead} DEAD ({see} dead)"
    if queue.rejected:
        yield f"  ! {queue.rejected} REJECTED: raw envelopes that are not valid ({see} rejected)"
    if queue.parked:
        yield f"  ! {queue.parked} PARKED: no live worker offers their job names ({see} parked)"
    if queue.kept:
        yield f"    {queue.kept} kept after success"


def daemon_lines(daemon: DaemonInfo) -> Iterator[str]:
    """Return a daemon's line, its notes, and the table of its workers."""
    age = "" if daemon.age_s is None else f", up {format_age(daemon.age_s)}"
    who = f"pid {_number(daemon.pid)} on {daemon.host or '?'}{age}, jqjobs {daemon.version or '?'}"
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
    if daemon.seen_s > _SILENT_S:
        yield f"SILENT for {format_age(daemon.seen_s)}"


def _worker_cells(worker: WorkerInfo) -> list[str]:
    rss = "-" if worker.rss_bytes is None else f"{worker.rss_bytes / 1e6:.1f}"
    age = "-" if worker.age_s is None else format_age(worker.age_s)
    return [_number(worker.pid), worker.state or "?", rss, age, _runs(worker.jobs)]


def _runs(jobs: Sequence[RunningJob]) -> str:
    if not jobs:
        return "-"
    longest = max(jobs, key=lambda job: job.running_s)
    others = f", and {plural(len(jobs) - 1, 'job')} more" if len(jobs) > 1 else ""
    said = [f"attempt {longest.attempt}", f"for {format_age(longest.running_s)}", progress_text(longest.progress)]
    return f"{longest.name} {longest.queue}/{longest.id} ({', '.join(filter(None, said))}){others}"


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)
