"""Twelve queues of a cluster under load: a primary dies, a slot moves, and nothing is lost, stuck or out of order.

And a shard that is lost for long, which costs the queues of others nothing.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from cluster_server import HASTY_MS, KINDS, ClusterServer
from e2e.daemon import Site
from jqjobs import App
from jqjobs.cli.exit_codes import Exit
from jqjobs.errors import StoreError
from jqjobs.jobs.records import State
from servers import Server, start_cluster
from store.cli.terminal import Terminal
from waiting import eventually

pytestmark = pytest.mark.xdist_group("cluster")

QUEUES = tuple(f"q{i}" for i in range(12))


@pytest.fixture(params=KINDS)
def own_cluster(request: pytest.FixtureRequest) -> Iterator[ClusterServer]:
    made = start_cluster(request.param)
    yield made
    made.stop()


class Producer(threading.Thread):
    """Enqueues to all queues in turn, and keeps the ids of what it was told is stored, in order."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.app = App(redis_url=url)
        quick = self.app.job(name="quick")(lambda: None)
        self.jobs = [quick.options(queue=queue) for queue in QUEUES]
        self.accepted: dict[str, list[str]] = defaultdict(list)
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            for queue, job in zip(QUEUES, self.jobs, strict=True):
                try:
                    self.accepted[queue].append(job.enqueue().id)
                except StoreError:
                    continue
        self.app.client.close()

    @property
    def all(self) -> set[str]:
        return {job for jobs in list(self.accepted.values()) for job in list(jobs)}

    def started(self, site: Site) -> bool:
        """Whether all that was accepted was started."""
        return self.all <= {note.id for note in site.notes("start")}


def test_a_primary_that_dies_and_a_slot_that_moves_under_load_cost_no_job_and_no_queue_its_order(
    own_cluster: ClusterServer,
    site_on: Callable[[Server], Site],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JQ_WAIT", "all:500ms")
    site, nodes = site_on(cast(Server, own_cluster)), own_cluster.nodes
    site.start_daemon("--processes", "1", "--queues", ",".join(QUEUES))
    producer = Producer(own_cluster.url)
    producer.start()
    eventually(lambda: len(producer.all) > 100)

    for queue in ("q3", "~"):
        nodes.move(queue, to=next(port for port in nodes.primaries() if port != nodes.owner(queue)))
    before = len(producer.accepted["q3"])
    eventually(lambda: len(producer.accepted["q3"]) > before + 5)

    nodes.be_patient(HASTY_MS)
    killed = nodes.owner("q0")
    nodes.kill(killed)
    nodes.wait_for_owner_but("q0", killed)
    nodes.start(killed)
    nodes.wait_until_whole()
    before = len(producer.accepted["q0"])
    eventually(lambda: len(producer.accepted["q0"]) > before + 5)

    producer.ended.set()
    producer.join(10)
    eventually(lambda: producer.started(site))
    first_starts = list(dict.fromkeys((note.queue, note.id) for note in site.notes("start")))
    for queue, accepted in producer.accepted.items():
        started = [job for at, job in first_starts if at == queue and job in set(accepted)]
        assert started == accepted, queue
    eventually(lambda: all(site.status(queue).ready + site.status(queue).active == 0 for queue in QUEUES))
    assert Terminal(own_cluster.url, capsys).run("daemon", "quiet", "--all") == Exit.OK, "it hears orders there, too"


def test_where_a_shard_is_lost_workers_go_on_and_begin_with_other_queues_and_take_it_up_once_it_is_back(
    own_cluster: ClusterServer, site_on: Callable[[Server], Site]
) -> None:
    site, nodes = site_on(cast(Server, own_cluster)), own_cluster.nodes
    shards = list(zip(nodes.ports[:3], nodes.ports[3:], strict=True))
    shard = next(each for each in shards if each[0] != nodes.owner("~"))
    lost = next(queue for queue in QUEUES if nodes.owner(queue) == shard[0])
    other = next(queue for queue in QUEUES if nodes.owner(queue) != shard[0])
    flags = ("--processes", "1", "--queues", f"{lost},{other}")

    before = site.start_daemon(*flags)
    site.wait_for(site.send("quick", queue=lost), State.KEPT)
    for port in shard:
        nodes.kill(port)
    before.wait_for_event("redis.lost")
    site.wait_for(site.send("quick", queue=other), State.KEPT)
    before.kill()

    after = site.start_daemon(*flags)
    assert after.wait_for_event("queues.left_out")["queues"] == lost
    site.wait_for(site.send("quick", queue=other), State.KEPT)

    for port in shard:
        nodes.start(port)
    nodes.wait_until_whole()
    assert after.wait_for_event("worker.recycle")["reason"] == "queues"
    site.wait_for(site.send("quick", queue=lost), State.KEPT)
