"""What `jqctl status` tells: read from the store, as JSON, and as text for people; lists of queues and daemons use it.

Reading is in `read_status`; all below it are pure functions from values to text. What needs somebody's
attention is said in words, on a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jqjobs.base.clock import format_age
from jqjobs.cli.daemon_report import START_ONE, daemon_json, daemon_lines
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.output import Column, complain, plural, table
from jqjobs.errors import StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.reads.queues import QueueStatus, is_name, known_queues, queue_status
from jqjobs.store.reads.registry import Registry, read_registry, with_progress
from jqjobs.store.store import Store

_QUEUE_COLUMNS = (
    Column("QUEUE", flexible=True), Column("INBOX", right=True), Column("READY", right=True),
    Column("SCHEDULED", right=True), Column("ACTIVE", right=True), Column("HELD", right=True),
    Column("WAITING", right=True),
    Column("DEAD", right=True), Column("DONE/MIN", right=True), Column("FAIL/MIN", right=True),
    Column("OLDEST", right=True),
)  # fmt: skip


class StatusReport(NamedTuple):
    """All that `status` shows. ``broken``: queue → why it cannot be counted."""

    address: str
    registry: Registry
    queues: Sequence[QueueStatus]
    broken: Mapping[str, str]


def read_status(store: Store, only: Sequence[str] = ()) -> StatusReport:
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
    return StatusReport(str(store.address), registry, queues, broken)


def _all_names(store: Store, registry: Registry) -> list[str]:
    served = {queue for daemon in registry.daemons for queue in daemon.queues if is_name(queue)}
    return sorted(served | set(known_queues(store)))


def as_json(report: StatusReport) -> dict[str, Any]:
    """Return the answer of ``status --json``."""
    return {
        "now_ms": report.registry.now_ms,
        "redis": report.address,
        "queues": queues_json(report),
        "daemons": [daemon_json(daemon) for daemon in report.registry.daemons],
    }


def queues_json(report: StatusReport) -> list[dict[str, Any]]:
    """Return the queues as JSON values; one that cannot be counted has only ``name`` and ``error``."""
    sound = [
        queue._asdict() | {"paused": queue.paused_ms is not None, "served": report.registry.serves(queue.name)}
        for queue in report.queues
    ]
    broken = [{"name": name, "error": why} for name, why in report.broken.items()]
    return sorted(sound + broken, key=lambda queue: str(queue["name"]))


def as_text(report: StatusReport) -> Iterator[str]:
    """Return the lines of ``status`` for people."""
    daemons = report.registry.daemons
    workers = sum(len(daemon.workers) for daemon in daemons)
    queues = len(report.queues) + len(report.broken)
    counted = ", ".join([plural(queues, "queue"), plural(len(daemons), "daemon"), plural(workers, "worker")])
    yield f"Redis at {report.address}: {counted}"
    if not daemons:
        yield f"! NO DAEMON IS RUNNING, so no job is executed; {START_ONE}"
    if not queues:
        yield "No queue is known yet. A first job: jqctl enqueue NAME --args '[42]'"
    else:
        yield ""
        yield from queue_lines(report)
    for daemon in daemons:
        yield ""
        yield from daemon_lines(daemon)


def queue_lines(report: StatusReport) -> Iterator[str]:
    """Return the table of queues, each with its notes below it."""
    title, *lines = table(_QUEUE_COLUMNS, [_queue_cells(queue) for queue in report.queues])
    yield title
    for queue, line in zip(report.queues, lines, strict=True):
        yield line
        yield from queue_notes(queue, report.registry)
    for name, why in report.broken.items():
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
    if queue.trimmed:
        yield f"    {queue.trimmed} dead ones were trimmed: too many or too old (jqd --max-dead, --dead)"
    if queue.rejected:
        yield f"  ! {queue.rejected} REJECTED: raw envelopes that are not valid ({see} rejected)"
    if unknown := queue.parked - queue.misfits:
        yield f"  ! {unknown} PARKED: no live worker offers their job names ({see} parked)"
    if queue.misfits:
        yield f"  ! {queue.misfits} PARKED: their arguments fit no live worker's function ({see} parked)"
    if queue.suspects:
        yield f"    {queue.suspects} may have killed a worker or a daemon: they run apart ({see} suspects)"
    if queue.kept:
        yield f"    {queue.kept} kept after success"


def report_broken(report: StatusReport) -> int:
    """Say on stderr which queues could not be counted; return the exit code."""
    for name, why in report.broken.items():
        complain(f"jqctl: queue {name} cannot be counted: {why}")
    return Exit.ERROR if report.broken else Exit.OK
