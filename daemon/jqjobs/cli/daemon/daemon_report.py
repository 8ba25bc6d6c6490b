"""What commands tell of a daemon and its workers: a JSON value, lines for people, and what wants attention.

Pure functions from what `read_registry` found to text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from string import hexdigits
from typing import Any

from jqjobs.base.clock import format_age
from jqjobs.cli.output import number, plural
from jqjobs.cli.tables import Column, Part, Table, mood
from jqjobs.store.reads.notes import progress_text
from jqjobs.store.reads.registry import DaemonInfo, RunningJob, WorkerInfo

START_ONE = "start one: jqd --app yourpackage.jobs:app"
#: A daemon says something every few seconds; silence beyond this is worth a word.
_SILENT_S = 5.0

_WORKER_COLUMNS = (
    Column("PID", right=True), Column("STATE", colour=mood), Column("RSS MB", right=True, goes=1),
    Column("AGE", right=True, goes=3), Column("RELEASE", flexible=True, goes=2), Column("CURRENT JOB", flexible=True),
    Column("ID", wide=True),
)  # fmt: skip
#: So much of a commit tells it from others.
_COMMIT_CHARS = 9
#: A daemon's line names so many of its queues.
_MOST_QUEUES = 20
_UNEXPLAINED = "none has started yet; the log of the daemon says more"
_STATES = {
    "starting": "STARTING",
    "quiet": "QUIET: takes no new jobs (SIGCONT resumes)",
    "reloading": "RELOADING",
    "waiting_memory": "WAITING FOR MEMORY: takes no new jobs",
    "waiting_redis": "WAITING FOR REDIS",
    "draining": "DRAINING: takes no new jobs and ends",
}

#: A daemon that was not heard of for longer may be gone.
_FRESH_S = 10.0
#: States in which a daemon takes no jobs, whatever its workers are.
_UNABLE = {
    "quiet": "it is quiet (jqctl daemon resume)",
    "draining": "it is draining and ends",
    "stopping": "it is stopping",
    "waiting_redis": "it waits for Redis",
    "waiting_memory": "it waits for memory",
}


def title(daemon: DaemonInfo) -> str:
    """Return how a daemon is called to a person: names need not be unique, host and pid nearly are."""
    return f"{daemon.name or daemon.id} on {daemon.host or '?'} (pid {number(daemon.pid)})"


def daemon_json(daemon: DaemonInfo) -> dict[str, Any]:
    """Return a daemon and its workers as a JSON value."""
    workers = [worker._asdict() | {"jobs": [job._asdict() for job in worker.jobs]} for worker in daemon.workers]
    host_facts = daemon.host_facts and daemon.host_facts._asdict()
    return daemon._asdict() | {"workers": workers, "reload": daemon.reload._asdict(), "host_facts": host_facts}


def daemon_parts(daemon: DaemonInfo, shown: Container[str], *, wide: bool = False) -> Iterator[Part]:
    """Return a daemon's line, its notes, the table of its workers that are ``shown``, and the others in sum.

    ``wide``: leave nothing out.
    """
    age = "" if daemon.age_s is None else f", up {format_age(daemon.age_s)}"
    who = f"pid {number(daemon.pid)} on {daemon.host or '?'}{age}, jqjobs {daemon.version or '?'}"
    yield f"DAEMON {daemon.name or daemon.id}: {daemon.state or 'state unknown'} ({who})"
    yield f"  queues: {_queues(daemon.queues, len(daemon.queues) if wide else _MOST_QUEUES)}"
    if daemon.follows_load:
        yield f"  workers: {number(daemon.slots)} of {daemon.processes}, as jobs call for"
    yield from (f"  ! {note}" for note in daemon_notes(daemon))
    told = [worker for worker in daemon.workers if worker.id in shown]
    if told:
        yield Table(_WORKER_COLUMNS, [_worker_cells(worker, wide=wide) for worker in told], indent="  ")
    if others := [worker for worker in daemon.workers if worker.id not in shown]:
        yield f"  {workers_in_sum(others, 'and ' if told else '', ' more' if told else '')}"


def _queues(names: Sequence[str], most: int) -> str:
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return (" ".join(names[:most]) or "none") + more


def workers_in_sum(workers: Sequence[WorkerInfo], before: str = "", after: str = "") -> str:
    """Return how many workers there are, in which states, and how large: ``40 workers: 31 busy, 9 ready, 1.2 GB``."""
    states = Counter(worker.state or "?" for worker in workers).most_common()
    told = [f"{count} {state}" for state, count in states]
    rss_bytes = sum(worker.rss_bytes or 0 for worker in workers)
    told += [f"{rss_bytes / 1e6:.0f} MB"] if rss_bytes else []
    return f"{before}{plural(len(workers), 'worker')}{after}" + (f": {', '.join(told)}" if told else "")


def most_telling(daemons: Iterable[DaemonInfo], most: int) -> set[str]:
    """Return the ids of the ``most`` workers that a person wants to see: longest jobs first, then who is not ready."""
    workers = [worker for daemon in daemons for worker in daemon.workers]
    return {worker.id for worker in sorted(workers, key=_tells)[:most]}


def _tells(worker: WorkerInfo) -> tuple[float, bool]:
    return -max((job.running_s for job in worker.jobs), default=0.0), worker.state == "ready"


def daemon_notes(daemon: DaemonInfo) -> Iterator[str]:
    """Return what a person should know of a daemon; nothing when it simply runs."""
    state = _STATES.get(daemon.state, "")
    if state or daemon.note:
        yield ": ".join(filter(None, (state, daemon.note)))
    if daemon.slots is not None and len(daemon.workers) < daemon.slots:
        counted = f"{plural(len(daemon.workers), 'worker').upper()} OF {daemon.slots}"
        yield counted if daemon.note or state or daemon.workers else f"{counted}: {_UNEXPLAINED}"
    if silence := silence_of(daemon):
        yield silence


def _worker_cells(worker: WorkerInfo, *, wide: bool) -> list[str]:
    rss = "-" if worker.rss_bytes is None else f"{worker.rss_bytes / 1e6:.1f}"
    age = "-" if worker.age_s is None else format_age(worker.age_s)
    runs = _runs(worker.jobs, len(worker.jobs) if wide else 1)
    release = worker.release if wide else short_release(worker.release)
    return [number(worker.pid), worker.state or "?", rss, age, release or "-", runs, worker.id]


def short_release(release: str) -> str:
    """Return the release of a worker as people call it: of a git commit its first digits."""
    is_commit = len(release) in (40, 64) and all(digit in hexdigits for digit in release)
    return release[:_COMMIT_CHARS] if is_commit else release


def _runs(jobs: Sequence[RunningJob], most: int) -> str:
    longest = sorted(jobs, key=lambda job: -job.running_s)[:most]
    others = f", and {plural(len(jobs) - most, 'job')} more" if len(jobs) > most else ""
    return (", ".join(map(_run, longest)) or "-") + others


def _run(job: RunningJob) -> str:
    said = [f"attempt {job.attempt}", f"for {format_age(job.running_s)}", progress_text(job.progress)]
    return f"{job.name} {job.queue}/{job.id} ({', '.join(filter(None, said))})"


def silence_of(daemon: DaemonInfo) -> str:
    """Return for how long nothing was heard of a daemon, "" when it was heard of just now."""
    return f"SILENT for {format_age(daemon.seen_s)}" if daemon.seen_s > _SILENT_S else ""


def why_unable(daemon: DaemonInfo) -> str:
    """Return why a daemon cannot take jobs, "" when it can."""
    if daemon.seen_s > _FRESH_S:
        return f"it was last heard of {format_age(daemon.seen_s)} ago"
    if why := _UNABLE.get(daemon.state):
        return f"{why}: {daemon.note}" if daemon.note else why
    if not daemon.ready_workers:
        wanted = "no worker" if daemon.slots is None else f"none of its {plural(daemon.slots, 'worker')}"
        return f"{wanted} is ready" + (f": {daemon.note}" if daemon.note else "")
    return ""
