"""The whole: queues, daemons, memory; read from the store, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jqjobs.errors import StoreError, StoreRefused, StoreUnavailable
from jqjobs.jobs.records import is_name
from jqjobs.operations.daemons import daemon_json, nobody, title, why_unable
from jqjobs.operations.queues import pause_in_words, unserved
from jqjobs.operations.turns import in_turn
from jqjobs.store.reads.cluster_nodes import ClusterNodes, read_nodes
from jqjobs.store.reads.damage import why_broken
from jqjobs.store.reads.jobs import JobInfo
from jqjobs.store.reads.memory import RedisMemory, read_memory
from jqjobs.store.reads.queues import QueueStatus, known_queues, queue_status
from jqjobs.store.reads.registry import Registry, read_registry, with_progress
from jqjobs.store.store import Store
from jqjobs.store.whole_queues import counts_of

#: A Redis that is full by this is worth a word.
NEAR_S = 86_400.0


class StatusReport(NamedTuple):
    """All that `status` shows. ``broken``: queue → why it cannot be counted: damage, or its node of a cluster is away.
    ``memory`` None: Redis does not tell.

    ``cluster``: its nodes, none of one server.
    """

    address: str
    registry: Registry
    queues: Sequence[QueueStatus]
    broken: Mapping[str, str]
    memory: RedisMemory | None = None
    cluster: ClusterNodes = ClusterNodes()


def read_status(store: Store, only: Sequence[str] = (), before: StatusReport | None = None) -> StatusReport:
    """Count all queues (or ``only`` some) and read who is running. Raises: StoreUnavailable, StoreRefused.

    ``before``: a look of a moment ago, for who looks again and again: of very many queues some are taken from there.
    """
    registry = with_progress(store, read_registry(store))
    if only:
        daemons = tuple(daemon for daemon in registry.daemons if any(map(daemon.serves, only)))
        registry = registry._replace(daemons=daemons)
    names = sorted(set(only)) or _all_names(store, registry)
    found = {queue.name: queue for queue in before.queues} if before else {}
    wanted = sorted(in_turn(names, found, registry.now_ms)) if before else names
    broken: dict[str, str] = {}
    for name, answer in zip(wanted, counts_of(store, wanted), strict=True):
        if isinstance(answer, StoreRefused) or (isinstance(answer, StoreUnavailable) and not store.address.cluster):
            raise answer
        if isinstance(answer, StoreError):
            broken[name] = why_broken(store, name, answer)
        else:
            found[name] = answer
    queues = [found[name] for name in names if name in found and name not in broken]
    places = {place.name for queue in queues for place in queue.partitions or (queue,)} | set(broken)
    return StatusReport(str(store.address), registry, queues, broken, read_memory(store), read_nodes(store, places))


def _all_names(store: Store, registry: Registry) -> list[str]:
    served = {queue for queue in registry.served if is_name(queue)}
    return sorted(served | set(known_queues(store)))


def why_it_waits(store: Store, job: JobInfo) -> str:
    """Return why nobody takes a job that is ready or parked, "" when workers will. Other states say it themselves."""
    if job.state == "parked" and job.error:
        return "its arguments fit no live worker's function"
    if job.state == "parked":
        return "no live worker offers its name (jqctl jobs)"
    return why_none_is_taken(store.run(queue_status(job.place)), read_registry(store)) if job.state == "ready" else ""


def why_none_is_taken(queue: QueueStatus, registry: Registry) -> str:
    """Return why nobody takes the ready jobs of a queue, "" when a worker is free for them."""
    serving = [daemon for daemon in registry.daemons if daemon.serves(queue.name)]
    if not registry.daemons:
        return "{} ({})".format(*nobody(registry))
    if not serving:
        return f"{unserved(queue.name, registry)} (jqd --queues)"
    if queue.paused_ms is not None:
        said = pause_in_words(queue)
        return f"the queue is paused{said and f', {said}'} (jqctl queue resume {queue.name})"
    if all(unable := [why_unable(daemon) for daemon in serving]):
        return f"daemon {title(serving[0])}: {unable[0]}"
    is_busy = all(worker.state == "busy" for daemon in serving for worker in daemon.workers)
    return "all workers that serve its queue are busy (jqctl top)" if is_busy else ""


def status_json(report: StatusReport) -> dict[str, Any]:
    """Return the answer of ``status --json``."""
    return {
        "now_ms": report.registry.now_ms,
        "redis": report.address,
        "memory": None if report.memory is None else memory_json(report.memory),
        "nodes": [node._asdict() for node in report.cluster.nodes],
        "migrating": list(report.cluster.migrating),
        "queues": queues_json(report),
        "daemons": [daemon_json(daemon) for daemon in report.registry.daemons],
    }


def memory_json(memory: RedisMemory) -> dict[str, Any]:
    """Return the memory of Redis as a JSON value."""
    return memory._asdict() | {"full_in_s": memory.full_in_s}


def queues_json(report: StatusReport) -> list[dict[str, Any]]:
    """Return the queues as JSON values; one that cannot be counted has only ``name`` and ``error``."""
    sound = [
        queue.as_json() | {"paused": queue.paused_ms is not None, "served": report.registry.serves(queue.name)}
        for queue in report.queues
    ]
    broken = [{"name": name, "error": why} for name, why in report.broken.items()]
    return sorted(sound + broken, key=lambda queue: str(queue["name"]))
