"""`make cluster-carry`: what three queues cost on one server, on one node of a cluster, and on three nodes of it.

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
from deployments.servers import Servers, eventually, free_port
from jobs import noop
from jqjobs import App
from jqjobs.store.address import parse_url
from jqjobs.store.calls import upkeep
from jqjobs.store.reads.queues import queue_status
from jqjobs.store.store import Store
from machine import children, cpu_s
from stage import daemon, wait_until

_AT_ONCE = 5000
_QUEUES = 3
_LONGEST_S = 300.0


class Place(NamedTuple):
    """Where three queues are. ``nodes``: the pids that serve them; ``replicas``: those that only follow."""

    label: str
    url: str
    queues: Sequence[str]
    nodes: Sequence[int]
    replicas: Sequence[int]


class Cost(NamedTuple):
    """Of one job, µs of CPU; the rate is that of all workers together, jobs a second."""

    jobs_s: float
    producer_us: float
    worker_us: float
    enqueue_server_us: float
    drain_server_us: float
    replica_us: float


def places(alone: Servers, cluster: Cluster) -> Iterator[Place]:
    """Yield the three places. ``alone``: starts the lone server, with a replica as each node has one."""
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


def measure(place: Place, jobs: int, workers: int) -> Cost:
    """Enqueue so many jobs to each queue, then have them done. Raises: TimeoutError."""
    os.environ["JQ_REDIS_URL"] = place.url
    app, total = App(redis_url=place.url), jobs * len(place.queues)
    job = app.job(name=noop.name)(lambda: None)
    with closing(Store(parse_url(place.url), timeout_s=60)) as store:
        options = ("--queues", ",".join(place.queues))
        with daemon(*options, workers=workers) as pid:
            store.run_all([upkeep.pause(queue) for queue in place.queues])
            before, own_s = _cpu_s(place.nodes), time.process_time()
            for at in range(0, jobs, _AT_ONCE):
                for queue in place.queues:
                    job.options(queue=queue).enqueue_many([()] * min(_AT_ONCE, jobs - at))
            own_s, filled_s = time.process_time() - own_s, _cpu_s(place.nodes) - before
            goal, fleet = _done(store, place) + total, children(pid)
            costs, started_s = _costs(place, fleet), time.perf_counter()
            store.run_all([upkeep.resume(queue) for queue in place.queues])
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
    return sum(status.done for status in store.run_all([queue_status(queue) for queue in place.queues]))


def main(words: Sequence[str] | None = None) -> int:
    """Measure each place in turn, as often as asked, and print the medians."""
    parser = argparse.ArgumentParser(prog="cluster-carry", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=20_000, help="of each queue (20,000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(sys.argv[1:] if words is None else words)
    with tempfile.TemporaryDirectory(prefix="jq-carry-") as name:
        cluster, alone = Cluster(Path(name)), Servers(Path(name), "redis-server")
        try:
            found = list(places(alone, cluster))
            costs = [[measure(place, options.jobs, options.workers) for place in found] for _ in range(options.rounds)]
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
