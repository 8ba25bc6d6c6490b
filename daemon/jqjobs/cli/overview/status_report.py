"""What `jqctl status` tells: read from the store, as JSON, and as text for people; lists of queues and daemons use it.

Reading is in `read_status`; all below it are pure functions from values to text. What needs somebody's
attention is said in words, on a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jqjobs.base.clock import format_age
from jqjobs.cli.daemon.daemon_report import (
    START_ONE,
    daemon_json,
    daemon_notes,
    daemon_parts,
    most_telling,
    workers_in_sum,
)
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.output import complain, plural
from jqjobs.cli.overview.queue_report import queue_table
from jqjobs.cli.tables import Part
from jqjobs.errors import StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.reads.memory import RedisMemory, read_memory
from jqjobs.store.reads.queues import QueueStatus, is_name, known_queues, queue_status
from jqjobs.store.reads.registry import DaemonInfo, Registry, read_registry, with_progress
from jqjobs.store.store import Store

#: So many queues, workers, and daemons are told one by one, the others in sum; `-o wide` tells all.
_MOST = 20
#: A Redis that is full by this is worth a word.
NEAR_S = 86_400.0


class StatusReport(NamedTuple):
    """All that `status` shows. ``broken``: queue → why it cannot be counted. ``memory`` None: Redis does not tell."""

    address: str
    registry: Registry
    queues: Sequence[QueueStatus]
    broken: Mapping[str, str]
    memory: RedisMemory | None = None


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
    return StatusReport(str(store.address), registry, queues, broken, read_memory(store))


def _all_names(store: Store, registry: Registry) -> list[str]:
    served = {queue for queue in registry.served if is_name(queue)}
    return sorted(served | set(known_queues(store)))


def as_json(report: StatusReport) -> dict[str, Any]:
    """Return the answer of ``status --json``."""
    return {
        "now_ms": report.registry.now_ms,
        "redis": report.address,
        "memory": None if report.memory is None else memory_json(report.memory),
        "queues": queues_json(report),
        "daemons": [daemon_json(daemon) for daemon in report.registry.daemons],
    }


def memory_json(memory: RedisMemory) -> dict[str, Any]:
    """Return the memory of Redis as a JSON value."""
    return memory._asdict() | {"full_in_s": memory.full_in_s}


def queues_json(report: StatusReport) -> list[dict[str, Any]]:
    """Return the queues as JSON values; one that cannot be counted has only ``name`` and ``error``."""
    sound = [
        queue._asdict() | {"paused": queue.paused_ms is not None, "served": report.registry.serves(queue.name)}
        for queue in report.queues
    ]
    broken = [{"name": name, "error": why} for name, why in report.broken.items()]
    return sorted(sound + broken, key=lambda queue: str(queue["name"]))


def as_text(report: StatusReport, *, wide: bool = False) -> Iterator[Part]:
    """Return what ``status`` tells people; ``wide``: each queue, daemon and worker, however many."""
    daemons = report.registry.daemons
    workers = sum(len(daemon.workers) for daemon in daemons)
    queues = len(report.queues) + len(report.broken)
    counted = ", ".join([plural(queues, "queue"), plural(len(daemons), "daemon"), plural(workers, "worker")])
    yield f"Redis at {report.address}: {counted}"
    if report.memory:
        yield from memory_notes(report.memory)
    if not daemons:
        yield f"! NO DAEMON IS RUNNING, so no job is executed; {START_ONE}"
    if not queues:
        yield "No queue is known yet. A first job: jqctl enqueue NAME --queue default --args '[42]'"
    else:
        yield ""
        yield from queue_parts(report, None if wide else _MOST)
    yield from _daemons(daemons, wide=wide)


def memory_notes(memory: RedisMemory) -> Iterator[str]:
    """Return when Redis is full, if that is near."""
    full_in_s = memory.full_in_s
    if full_in_s is not None and full_in_s < NEAR_S:
        yield f"! REDIS IS FULL IN {format_age(full_in_s)} at the growth of the last hour (jqctl doctor)"


def _daemons(daemons: Sequence[DaemonInfo], *, wide: bool) -> Iterator[Part]:
    """Return the daemons with those of their workers that are told one by one."""
    ranked = sorted(daemons, key=lambda daemon: not any(daemon_notes(daemon)))
    ids = {daemon.id for daemon in (daemons if wide else ranked[:_MOST])}
    told = [daemon for daemon in daemons if daemon.id in ids]
    workers = most_telling(told, sum(len(daemon.workers) for daemon in daemons) if wide else _MOST)
    for daemon in told:
        yield ""
        yield from daemon_parts(daemon, workers, wide=wide)
    if others := [daemon for daemon in daemons if daemon.id not in ids]:
        yield ""
        sum_of_workers = workers_in_sum([worker for daemon in others for worker in daemon.workers], "with ")
        yield f"and {plural(len(others), 'daemon')} more, {sum_of_workers} (jqctl daemon list)"


def queue_parts(report: StatusReport, most: int | None = None) -> Iterator[Part]:
    """Return the table of queues, ``most`` of them one by one, and those that cannot be counted."""
    yield queue_table(report.queues, report.registry, most)
    for name, why in report.broken.items():
        yield name
        yield f"  ! CANNOT BE COUNTED: {why}"


def report_broken(report: StatusReport) -> int:
    """Say on stderr which queues could not be counted; return the exit code."""
    for name, why in report.broken.items():
        complain(f"jqctl: queue {name} cannot be counted: {why}")
    return Exit.ERROR if report.broken else Exit.OK
