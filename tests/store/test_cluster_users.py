"""Who may do only what docs/protocol.md says, and who speaks TLS, finds the node of each queue too."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.deployment import Cluster
from cluster_server import ClusterServer
from jqjobs import App
from jqjobs.cli.exit_codes import Exit
from jqjobs.store import slot_map
from jqjobs.store.calls import upkeep
from jqjobs.store.reads.cluster_nodes import read_nodes
from servers import require_program
from store.cli.terminal import Terminal
from store.conftest import documented_rights
from store.queue_system import QueueSystem

pytestmark = pytest.mark.xdist_group("cluster")

QUEUES = tuple(f"q{i}" for i in range(12))


@pytest.fixture
def as_user(cluster: ClusterServer) -> Callable[[str], str]:
    """Give a user of the docs its rights at each node; return the URL of who knows nothing of the slots yet."""
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")

    def one(name: str) -> str:
        granted = re.search(rf"ACL SETUSER ({name} .*)", page)
        assert granted
        for port in cluster.nodes.ports:
            cluster.nodes.ask(port, "ACL", "SETUSER", *shlex.split(granted[1]))
        slot_map._slot_map_of.cache_clear()
        return cluster.url.replace("://", f"://{name}:secret@")

    return one


def nothing() -> None:
    """Does what its name says."""


def enqueue_in_every_way(app: App, queue: str) -> list[str]:
    """Return the ids of four jobs: from a thread, together, from a coroutine."""
    job = app.job(name=queue, queue=queue)(nothing)

    async def produce() -> str:
        handle = await job.enqueue_async()
        await app.client.close_async()
        return handle.id

    return [job.enqueue().id, *(handle.id for handle in job.enqueue_many([(), ()])), asyncio.run(produce())]


def test_a_producer_with_the_documented_rights_finds_its_queue_also_where_it_has_moved(
    cluster: ClusterServer, cluster_system: QueueSystem, as_user: Callable[[str], str]
) -> None:
    app = App(redis_url=as_user("web"))
    ids = enqueue_in_every_way(app, "emails")
    nodes = cluster.nodes
    nodes.move("emails", to=next(port for port in nodes.primaries() if port != nodes.owner("emails")))
    ids += enqueue_in_every_way(app, "emails")
    app.client.close()
    assert cluster_system.ids(queue="emails") == ids


def test_daemons_and_jqctl_with_the_documented_rights_serve_all_nodes(
    cluster: ClusterServer, as_user: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = as_user("jqjobs")
    system = QueueSystem(cluster.url, cluster.kind, documented_rights())
    slot_map._slot_map_of.cache_clear()
    system.run(upkeep.add_queues(QUEUES))
    system.join("w", queues=QUEUES)
    system.trips["w"] = 0
    for queue in QUEUES:
        system.add("a", queue=queue)
        assert [job.id for job in system.take(queues=(queue,))] == ["a"]
    assert len(read_nodes(system.store, QUEUES).nodes) == 6
    system.close()
    terminal = Terminal(url, capsys)
    assert terminal.run("status") == Exit.OK
    assert all(queue in terminal.out for queue in QUEUES)


@pytest.fixture
def tls_cluster(tmp_path: Path, certificate: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path, require_program("redis-server"), node_timeout_ms=15_000, certificate=certificate)
    yield made
    made.stop()


def test_a_cluster_that_speaks_only_tls(tls_cluster: Cluster) -> None:
    app = App(redis_url=tls_cluster.url)
    ids = {queue: enqueue_in_every_way(app, queue) for queue in QUEUES[:4]}
    app.client.close()
    system = QueueSystem(tls_cluster.url)
    system.store._now_ms = None
    system.join("w", queues=list(ids))
    system.trips["w"] = 0
    assert {queue: [job.id for job in system.take(want=9, queues=(queue,))] for queue in ids} == ids
    system.close()
