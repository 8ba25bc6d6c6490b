"""A real cluster: its slots move, its primaries die, and calls go where their queue is, threads' and coroutines'."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster_server import HASTY_MS, ClusterServer
from jqjobs import App, NotReplicated
from jqjobs.errors import StoreBusy, StoreUnavailable
from jqjobs.jobs.records import State
from jqjobs.store.clusters import slot_of
from jqjobs.store.reads.cluster_nodes import read_nodes
from jqjobs.store.spreading import CHUNK_JOBS
from jqjobs.store.store import Store
from store.queue_system import QueueSystem
from waiting import eventually

pytestmark = pytest.mark.xdist_group("cluster")

QUEUES = tuple(f"q{i}" for i in range(12))
NOTHING = b"{}"


@pytest.fixture
def app(cluster: ClusterServer) -> Iterator[App]:
    made = App(redis_url=cluster.url)
    yield made
    made.client.close()


@pytest.fixture
def moved(cluster: ClusterServer) -> Callable[[str], None]:
    """Have the queue at another primary."""

    def move(queue: str) -> None:
        nodes = cluster.nodes
        nodes.move(queue, to=next(port for port in nodes.primaries() if port != nodes.owner(queue)))

    return move


def jobs_of(app: App) -> list[Any]:
    return [app.job(queue=queue, name=f"of_{queue}")(lambda n: None) for queue in QUEUES]


def test_producers_enqueue_to_all_queues_and_go_on_when_one_moves(app: App, moved: Callable[[str], None]) -> None:
    jobs = jobs_of(app)

    async def produce() -> list[Any]:
        handles = [await job.enqueue_async(1) for job in jobs]
        await app.client.close_async()
        return handles

    handles = [job.enqueue(0) for job in jobs]
    moved("q3")
    handles += asyncio.run(produce())
    handles += [handle for job in jobs for handle in job.enqueue_many([(n,) for n in range(CHUNK_JOBS + 1)])]
    with app.client.store() as store:
        ready = store.wire.pipeline([("ZCARD", store.address.key(f"{{{queue}}}:ready")) for queue in QUEUES])
    assert ready == [CHUNK_JOBS + 3] * len(QUEUES)
    assert handles[3].state() is State.READY


def test_while_a_slot_is_on_its_way_no_script_finds_half_of_its_keys(
    cluster: ClusterServer, cluster_system: QueueSystem
) -> None:
    system, nodes = cluster_system, cluster.nodes
    system.add("a", "b", queue="q5")
    source, slot = nodes.owner("q5"), slot_of("q5")
    target = next(port for port in nodes.primaries() if port != source)
    ids = {port: nodes.ask(port, "CLUSTER", "MYID") for port in (source, target)}
    nodes.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    nodes.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    try:
        for part in ("ready", "meta"):
            with pytest.raises(StoreBusy):
                system.add("c", queue="q5")
            nodes.ask(source, "MIGRATE", "127.0.0.1", target, system.key(part, "q5"), 0, 5000)
        assert read_nodes(system.store, QUEUES).migrating == ("q5",)
        assert system.ids(queue="q5") == ["a", "b"], "what is no script finds its key there"
        with pytest.raises(StoreBusy):
            system.add("c", queue="q5")
    finally:
        nodes.move("q5", to=target)
    system.add("c", queue="q5")
    assert [job.id for job in system.take(want=5, queues=("q5",))] == ["a", "b", "c"]


def test_who_wants_replicas_to_have_a_job_hears_of_those_of_its_queue(
    cluster: ClusterServer, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JQ_WAIT", "2:50ms")
    with pytest.raises(NotReplicated, match="1 of 2"):
        jobs_of(app)[0].enqueue(0)
    monkeypatch.setenv("JQ_WAIT", "all:4s")
    waiting = App(redis_url=cluster.url)
    assert all(job.enqueue(0).created for job in jobs_of(waiting))
    waiting.client.close()


def test_a_call_to_a_node_that_stands_still_ends_when_another_has_taken_over(
    cluster: ClusterServer, connect: Callable[..., Store]
) -> None:
    system, nodes = QueueSystem(cluster.url, cluster.kind), cluster.nodes
    system.store = connect(cluster.url, timeout_s=300.0)
    system.add("a", queue="q7")
    frozen = nodes.owner("q7")
    nodes.ask(frozen, "WAIT", 1, 1000)
    nodes.be_patient(HASTY_MS)
    nodes.freeze(frozen)
    began_s = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable, match="another node has taken over"):
            system.add("b", queue="q7")
        assert time.monotonic() - began_s < 100
        system.add("c", queue="q7")
        assert [job.id for job in system.take(want=5, queues=("q7",))] == ["a", "c"]
    finally:
        nodes.thaw(frozen)
        system.close()
        cluster.restart()


def test_a_call_waits_for_the_replica_that_takes_over(cluster: ClusterServer, connect: Callable[..., Store]) -> None:
    system = QueueSystem(cluster.url, cluster.kind)
    system.store = connect(cluster.url, patience_s=20.0)
    system.add("a", queue="q7")
    cluster.nodes.ask(cluster.nodes.owner("q7"), "WAIT", 1, 1000)
    cluster.nodes.be_patient(HASTY_MS)
    cluster.nodes.kill(cluster.nodes.owner("q7"))
    try:
        eventually(lambda: system.add("b", queue="q7"), timeout_s=20)
        assert [job.id for job in system.take(want=5, queues=("q7",))] == ["a", "b"]
    finally:
        system.close()
        cluster.restart()
