"""What commands tell of a daemon and its workers: a JSON value, lines for people, and what wants attention.

Pure functions from what `read_registry` found to text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence

from jqjobs.base.clock import format_age
from jqjobs.base.words import number, plural
from jqjobs.cli.tables import Column, Part, Table, mood
from jqjobs.operations.daemons import outbox_trouble, relay_in_words, short_release, silence_of
from jqjobs.store.reads.notes import progress_text
from jqjobs.store.reads.registry import DaemonInfo, RunningJob, WorkerInfo

_WORKER_COLUMNS = (
    Column("PID", right=True), Column("STATE", colour=mood), Column("RSS MB", right=True, goes=1),
    Column("AGE", right=True, goes=3), Column("RELEASE", flexible=True, goes=2), Column("CURRENT JOB", flexible=True),
    Column("ID", wide=True),
)  # fmt: skip
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


def daemon_parts(daemon: DaemonInfo, shown: Container[str], *, wide: bool = False) -> Iterator[Part]:
    """Return a daemon's line, its notes, the table of its workers that are ``shown``, and the others in sum.

    ``wide``: leave nothing out.
    """
    age = "" if daemon.age_s is None else f", up {format_age(daemon.age_s)}"
    who = f"pid {number(daemon.pid)} on {daemon.host or '?'}{age}, jqjobs {daemon.version or '?'}"
    yield f"DAEMON {daemon.name or daemon.id}: {daemon.state or 'state unknown'} ({who})"
    yield f"  queues: {_queues(daemon.weighed_queues, len(daemon.weighed_queues) if wide else _MOST_QUEUES)}"
    if daemon.follows_load:
        yield f"  workers: {number(daemon.slots)} of {daemon.processes}, as jobs call for"
    if daemon.outbox:
        yield f"  outbox: {relay_in_words(daemon.outbox)}"
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
    if daemon.outbox and (trouble := outbox_trouble(daemon.outbox)[0]):
        yield f"OUTBOX: {trouble} (jqctl doctor)"
    if silence := silence_of(daemon):
        yield silence


def _worker_cells(worker: WorkerInfo, *, wide: bool) -> list[str]:
    rss = "-" if worker.rss_bytes is None else f"{worker.rss_bytes / 1e6:.1f}"
    age = "-" if worker.age_s is None else format_age(worker.age_s)
    runs = _runs(worker.jobs, len(worker.jobs) if wide else 1)
    release = worker.release if wide else short_release(worker.release)
    return [number(worker.pid), worker.state or "?", rss, age, release or "-", runs, worker.id]


def _runs(jobs: Sequence[RunningJob], most: int) -> str:
    longest = sorted(jobs, key=lambda job: -job.running_s)[:most]
    others = f", and {plural(len(jobs) - most, 'job')} more" if len(jobs) > most else ""
    return (", ".join(map(_run, longest)) or "-") + others


def _run(job: RunningJob) -> str:
    said = [f"attempt {job.attempt}", f"for {format_age(job.running_s)}", progress_text(job.progress)]
    return f"{job.name} {job.queue}/{job.id} ({', '.join(filter(None, said))})"
