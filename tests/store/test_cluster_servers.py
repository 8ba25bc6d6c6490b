"""What concerns servers, not queues, is asked of each node of a cluster: not only of the one where daemons meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cluster_server import PATIENT_MS, ClusterServer
from jqjobs.base.log_lines import FIELDS
from jqjobs.daemon.lease_messages import Charge, EndWorker, Join, Report
from jqjobs.daemon.leases import expiries
from jqjobs.daemon.leases.keeper import LeaseKeeper
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreUnavailable
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage
from jqjobs.store.address import parse_url
from jqjobs.store.calls import leases
from jqjobs.store.reads.memory import read_memory
from jqjobs.store.store import Store
from store.cli.terminal import Terminal
from store.queue_system import LEASE_MS, START_MS, QueueSystem
from unit.link.boards import worker_side

pytestmark = pytest.mark.xdist_group("cluster")

HOUR_MS = 3_600_000
QUEUES = tuple(f"q{i}" for i in range(12))


@pytest.fixture
def lonely(cluster: ClusterServer) -> Iterator[int]:
    """The port of a node where daemons do not meet, which evicts, and has the least memory of all."""
    nodes = cluster.nodes
    port = next(one for one in nodes.primaries() if one != nodes.owner("~"))
    nodes.ask(port, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", "100mb")
    yield port
    nodes.ask(port, "CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "0")


@pytest.fixture
def keeper(cluster_system: QueueSystem, tmp_path: Path) -> LeaseKeeper:
    settings = DaemonSettings("shop:app", cluster_system.url, lease_s=LEASE_MS / 1000)
    return LeaseKeeper(settings, "h:1:d", cluster_system.store, tmp_path, lambda event: None)


def names(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [(record.getMessage(), getattr(record, FIELDS)["message"]) for record in caplog.records]


def test_a_node_that_evicts_is_told_of_by_daemon_and_doctor_and_is_the_one_that_is_full_first(
    lonely: int, cluster_system: QueueSystem, keeper: LeaseKeeper,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    named = f"Redis 127.0.0.1:{lonely}"
    keeper.check_server()
    said = f"{named}: maxmemory-policy is allkeys-lru: Redis may evict jobs; set noeviction"
    assert names(caplog) == [("redis.warning", said)]
    assert keeper.housekeeping.maxmemory_bytes == 100 << 20
    memory = read_memory(cluster_system.store)
    assert memory is not None
    assert (memory.most_bytes, memory.is_limited) == (100 << 20, True)
    found = Terminal(cluster_system.url, capsys).json("doctor")["checks"]
    bad = [each for each in found if each["id"] == "server.policy"]
    assert [(each["level"], each["subject"]) for each in bad] == [("error", named)]


def test_queues_of_a_node_that_is_away_are_told_as_such_and_the_others_are_counted(
    cluster: ClusterServer, cluster_system: QueueSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = cluster.nodes
    cluster_system.redis("SADD", "jq:{~}:queues", *QUEUES)
    for queue in QUEUES:
        cluster_system.add("a", queue=queue)
    away = next(port for port in nodes.primaries() if port != nodes.owner("~"))
    lost = {queue for queue in QUEUES if nodes.owner(queue) == away}
    nodes.be_patient(10 * PATIENT_MS)  # nobody takes over
    nodes.freeze(away)
    try:
        told = Terminal(cluster_system.url, capsys).json("status")["queues"]
    finally:
        nodes.thaw(away)
        nodes.be_patient(PATIENT_MS)
    assert {queue["name"] for queue in told if "error" in queue} == lost
    counted = {queue["name"]: queue["ready"] for queue in told if "error" not in queue}
    assert counted == {queue: 1 for queue in QUEUES if queue not in lost}


def test_keys_that_expire_are_shortened_at_each_node(cluster_system: QueueSystem, keeper: LeaseKeeper) -> None:
    report = Report({"name": "web", "state": "running"}, {})
    assert keeper.register(report) is None
    fleeting = [f"jq:{{{queue}}}:minute:1" for queue in QUEUES]
    for name in fleeting:
        cluster_system.redis("SET", name, 1, "PX", 5 * HOUR_MS)
    cluster_system.clock.now_ms = START_MS - 3 * HOUR_MS
    while keeper.register(report) is not None:
        pass
    left = [cluster_system.redis("PTTL", name) for name in fleeting]
    assert max(left) <= 2 * HOUR_MS


def test_a_walk_passes_over_a_node_that_is_away_and_begins_anew_when_others_are_primaries(
    cluster_system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers, asked = [("a", 1), ("b", 1)], list[tuple[str, int]]()

    def ask(store: object, places: list[tuple[str, int]], *command: str) -> dict[tuple[str, int], Any]:
        asked.append(places[0])
        away = places[0] == ("a", 1)
        return {places[0]: StoreUnavailable("away") if away else [b"7" if len(asked) < 4 else b"0", []]}

    monkeypatch.setattr(expiries, "servers_of", lambda store: list(servers))
    monkeypatch.setattr(expiries, "ask_servers", ask)
    walk = expiries.Expiries(cluster_system.store)
    walk.begin()
    walk.step()
    walk.step()
    servers[:] = [("b", 1), ("c", 1)]
    while walk.are_walked:
        walk.step()
    assert asked == [("a", 1), ("b", 1), ("b", 1), ("b", 1), ("c", 1)]


@pytest.fixture
def away(cluster: ClusterServer) -> Iterator[int]:
    """The port of the node where daemons meet, which stands still; nobody takes over."""
    nodes = cluster.nodes
    port = nodes.owner("~")
    nodes.be_patient(10 * PATIENT_MS)
    nodes.freeze(port)
    yield port
    nodes.thaw(port)
    nodes.be_patient(PATIENT_MS)


def test_where_daemons_cannot_meet_the_queues_of_other_nodes_are_looked_after_all_the_same(
    cluster: ClusterServer, cluster_system: QueueSystem, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    queue = next(name for name in QUEUES if cluster.nodes.owner(name) != cluster.nodes.owner("~"))
    store = Store(parse_url(cluster.url), timeout_s=1.0, now_ms=lambda: cluster_system.clock.now_ms)
    keeper = LeaseKeeper(
        DaemonSettings("shop:app", cluster.url, lease_s=LEASE_MS / 1000), "h:1:d", store, tmp_path, lambda event: None
    )
    with closing(store), closing(Board.create(tmp_path / "w.board")) as board:
        keeper.do(Join("w", (queue,), leases.roster(["n"]), board))
        keeper.keep_house()
        cluster_system.join("gone", queues=(queue,), lease_ms=1000)
        cluster_system.clock.advance(LEASE_MS // 4)
        request.getfixturevalue("away")
        with pytest.raises(StoreUnavailable):
            keeper.keep_house()
    assert cluster_system.ids("leases", queue) == ["w"]


def test_jobs_of_a_dead_worker_run_again_where_another_of_its_queues_is_lost(
    cluster: ClusterServer, cluster_system: QueueSystem, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lost = next(name for name in QUEUES if cluster.nodes.owner(name) == cluster.nodes.owner("~"))
    other = next(name for name in QUEUES if cluster.nodes.owner(name) != cluster.nodes.owner("~"))
    cluster_system.add("runs", queue=lost)
    cluster_system.add("waits", queue=other)
    store = Store(parse_url(cluster.url), timeout_s=1.0, now_ms=lambda: cluster_system.clock.now_ms)
    settings = DaemonSettings("shop:app", cluster.url, lease_s=LEASE_MS / 1000)
    keeper = LeaseKeeper(settings, "h:1:d", store, tmp_path, lambda event: None)
    with closing(store), closing(Board.create(tmp_path / "w.board")) as board:
        keeper.do(Join("w", (lost, other), leases.roster(["n"]), board))
        cluster_system.trips["w"] = 0
        jobs = [job for queue in (lost, other) for job in cluster_system.take("w", queues=(queue,))]
        worker_side(board).add(jobs)
        worker_side(board).mark(jobs[0].place, Stage.RUNNING, 1)
        request.getfixturevalue("away")
        with pytest.raises(StoreUnavailable):
            keeper.do(EndWorker("w", (lost, other), Charge("it died"), board))
    assert cluster_system.ids(queue=other) == ["waits"]
