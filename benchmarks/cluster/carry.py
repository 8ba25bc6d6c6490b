"""`make cluster-carry`: what three queues cost on one server, on one node of a cluster, and on three nodes of it; and
what one queue costs there with as many jobs, and with three partitions.

python -m cluster.carry [--jobs 20000] [--rounds 3] [--workers 2]

Jobs that do nothing are enqueued while their queues are paused, then done by workers of all three queues. CPU is that
of processes, so it tells more than the rate where the machine is busy with other things, or has fewer cores than nodes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from cluster.deployment import Cluster
from deployments.ports import free_port
from deployments.servers import Servers, eventually
from jobs import noop
from jqjobs import App
from jqjobs.store.address import parse_url
from jqjobs.store.calls import upkeep
from jqjobs.store.partitioning import repartition
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.store.whole_queues import at_each_place, count_queue
from machine import children, cpu_s
from stage import daemon, wait_until

_AT_ONCE = 5000
_QUEUES = 3
_LONGEST_S = 300.0


class Place(NamedTuple):
    """Where queues are. ``nodes``: the pids that serve them; ``replicas``: those that only follow.

    ``partitions``: of each queue; 0: it has none.
    """

    label: str
    url: str
    queues: Sequence[str]
    nodes: Sequence[int]
    replicas: Sequence[int]
    partitions: int = 0


class Cost(NamedTuple):
    """Of one job, µs of CPU; the rate is that of all workers together, jobs a second."""

    jobs_s: float
    producer_us: float
    worker_us: float
    enqueue_server_us: float
    drain_server_us: float
    replica_us: float


def places(alone: Servers, cluster: Cluster) -> Iterator[Place]:
    """Yield the places. ``alone``: starts the lone server, with a replica as each node has one."""
    port, replica = free_port(), free_port()
    alone.start_redis(port, {})
    alone.start_redis(replica, {"replicaof": f"127.0.0.1 {port}"})
    eventually(lambda: b"connected_slaves:1" in alone.ask(port, "INFO", "replication"), "it has a replica")
    names = [f"q{i}" for i in range(_QUEUES)]
    yield Place("one server", f"redis://127.0.0.1:{port}", names, [alone.pid(port)], [alone.pid(replica)])
    primaries = cluster.primaries()
    nodes = [cluster.pid(port) for port in primaries]
    replicas = [cluster.pid(port) for port in cluster.ports if port not in primaries]
    named = {port: [name for name in (f"q{i}" for i in range(60)) if cluster.owner(name) == port] for port in primaries}
    yield Place("one node of a cluster", cluster.url, named[primaries[0]][:_QUEUES], nodes, replicas)
    yield Place("three nodes of a cluster", cluster.url, [found[0] for found in named.values()], nodes, replicas)
    yield Place("one queue", cluster.url, ["whole"], nodes, replicas)
    apart = next(name for name in map("p{}".format, range(60)) if _owners(cluster, name) == set(primaries))
    yield Place("one queue, 3 partitions", cluster.url, [apart], nodes, replicas, partitions=_QUEUES)


def _owners(cluster: Cluster, queue: str) -> set[int]:
    """Return the nodes that would have the partitions of a queue."""
    return {cluster.owner(f"{queue}~{number}") for number in range(_QUEUES)}


def measure(place: Place, total: int, workers: int) -> Cost:
    """Enqueue so many jobs, to all queues alike, then have them done. Raises: TimeoutError."""
    os.environ["JQ_REDIS_URL"] = place.url
    app, jobs = App(redis_url=place.url), total // len(place.queues)
    job = app.job(name=noop.name)(lambda: None)
    with closing(Store(parse_url(place.url), timeout_s=60)) as store:
        for queue in place.queues if place.partitions else ():
            run_steps(store.run, repartition(queue, place.partitions))
        options = ("--queues", ",".join(place.queues))
        with daemon(*options, workers=workers) as pid:
            for queue in place.queues:
                run_steps(store.run, at_each_place(queue, upkeep.pause))
            before, own_s = _cpu_s(place.nodes), time.process_time()
            for at in range(0, jobs, _AT_ONCE):
                for queue in place.queues:
                    job.options(queue=queue).enqueue_many([()] * min(_AT_ONCE, jobs - at))
            own_s, filled_s = time.process_time() - own_s, _cpu_s(place.nodes) - before
            goal, fleet = _done(store, place) + total, children(pid)
            costs, started_s = _costs(place, fleet), time.perf_counter()
            for queue in place.queues:
                run_steps(store.run, at_each_place(queue, upkeep.resume))
            wait_until(lambda: _done(store, place) >= goal, _LONGEST_S, 0.1)
            took_s = time.perf_counter() - started_s
            worker_s, server_s, replica_s = (new - old for new, old in zip(_costs(place, fleet), costs, strict=True))
    app.client.close()
    each = [seconds / total * 1e6 for seconds in (own_s, worker_s, filled_s, server_s, replica_s)]
    return Cost(total / took_s, *each)


def _costs(place: Place, fleet: Sequence[int]) -> tuple[float, float, float]:
    return _cpu_s(fleet), _cpu_s(place.nodes), _cpu_s(place.replicas)


def _cpu_s(pids: Sequence[int]) -> float:
    return sum(map(cpu_s, pids))


def _done(store: Store, place: Place) -> int:
    return sum(run_steps(store.run, count_queue(queue)).done for queue in place.queues)


def main(words: Sequence[str] | None = None) -> int:
    """Measure each place in turn, as often as asked, and print the medians."""
    parser = argparse.ArgumentParser(prog="cluster-carry", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=20_000, help="of each of three queues (20,000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(sys.argv[1:] if words is None else words)
    with tempfile.TemporaryDirectory(prefix="jq-carry-") as name:
        cluster, alone = Cluster(Path(name)), Servers(Path(name), "redis-server")
        try:
            found = list(places(alone, cluster))
            costs = [
                [measure(place, options.jobs * _QUEUES, options.workers) for place in found]
                for _ in range(options.rounds)
            ]
        finally:
            cluster.stop()
            alone.stop()
    print(f"{'':26}" + "".join(f"{field:>19}" for field in Cost._fields))
    for place, of_place in zip(found, zip(*costs, strict=True), strict=True):
        medians = [statistics.median(values) for values in zip(*of_place, strict=True)]
        print(f"{place.label:26}" + "".join(f"{value:19.1f}" for value in medians))
    return 0


if __name__ == "__main__":
    sys.exit(main())
