"""How a worker comes into service: what it publishes and tells, what it waits for, and what ends that."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import StoreError, StoreRefused, StoreUnavailable
from jqjobs.link.queue_choice import QueueChoice
from jqjobs.store.address import Address, parse_url
from jqjobs.store.keys import QUEUES, meta
from jqjobs.worker.life.joining import join
from jqjobs.worker.trips.offering import Offering
from jqjobs.worker.trips.queue_order import queue_order
from log_lines import Lines


class Around:
    """A worker that has loaded an app with two queues and serves one; its daemon says "go" when the test does."""

    def __init__(self) -> None:
        self.app = App(redis_url="redis://127.0.0.1:1")
        self.app.job(name="send", queue="mail")(lambda: None)
        self.app.job(name="count")(lambda: None)
        self.draining = self.closed = self.may_begin = False
        self.published = 0
        self.address = Address()
        self.away: set[str] = set()
        self.errors: list[StoreError] = []
        self.queues: list[str] = ["mail"]
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.at_waits: list[Callable[[], object]] = []
        self.waits_s: list[float] = []

    def join(self) -> bool:
        parts: Any = SimpleNamespace(
            app=self.app, rng=random.Random(1),
            config=SimpleNamespace(app="a:app", worker_id="w", lease_ms=30_000, choice=QueueChoice.parse("mail")),
            exchanger=SimpleNamespace(order=queue_order(self.queues, ())),
            store=SimpleNamespace(run=self.publish, run_many=self.publish_many, address=self.address),
            offering=Offering(self.app.registry, 30_000),
            channel=self, signals=self, instructions=self, wake_wait=self,
        )  # fmt: skip
        return join(parts)

    def publish(self, call: Any) -> None:
        if call.keys[0] in self.away:
            raise StoreUnavailable(call.keys[0])
        if self.errors:
            raise self.errors.pop(0)
        self.published += 1

    def publish_many(self, calls: Any) -> list[Any]:
        return [StoreUnavailable(call.keys[0]) if call.keys[0] in self.away else self.publish(call) for call in calls]

    def send(self, event: str, **facts: Any) -> None:
        self.sent.append((event, facts))

    def hear(self) -> None:
        return None

    def wait(self, timeout_s: float, *, for_token: bool) -> bool:
        assert not for_token
        self.waits_s.append(timeout_s)
        if self.at_waits:
            self.at_waits.pop(0)()
        return True

    def go(self) -> None:
        self.may_begin = True


@pytest.fixture
def around() -> Around:
    return Around()


def test_it_says_what_it_serves_and_begins_when_its_daemon_says_so(around: Around) -> None:
    around.at_waits = [dict, around.go]
    assert around.join()
    signatures = [f"{job.name} {job.signature.digest}" for job in around.app.jobs.values()]
    names = ["send", "count", *signatures]
    said = {"queues": ["mail"], "missing": [], "names": names, "unserved": ["default"], "outbox": False}
    assert around.sent == [("ready", said)]
    assert around.published == 2, "what it offers, and the name of its queue"


def test_an_outage_is_waited_out_with_growing_pauses_and_said_once(around: Around, logged: Lines) -> None:
    around.errors = [StoreUnavailable() for _ in range(6)]
    around.may_begin = True
    assert around.join()
    assert [line["event"] for line in logged] == ["redis.lost", "redis.back"]
    assert [line["worker"] for line in logged] == ["w", "w"]
    assert len(around.waits_s) == 6
    assert around.waits_s[0] < around.waits_s[-1]
    assert len(around.sent) == 1


@pytest.fixture
def in_cluster(around: Around) -> Around:
    around.address, around.queues = parse_url("redis+cluster://127.0.0.1:1"), ["mail", "default"]
    around.may_begin = True
    return around


def test_where_a_node_of_a_cluster_is_lost_it_begins_without_the_queues_there(
    in_cluster: Around, logged: Lines
) -> None:
    in_cluster.away = {meta("mail"), QUEUES}
    assert in_cluster.join()
    [(_, said)] = in_cluster.sent
    assert (said["queues"], said["missing"], said["unserved"]) == (["default"], ["mail"], [])
    [line] = logged.of("queues.left_out")
    assert line["queues"] == "mail"


def test_where_all_are_lost_it_waits(in_cluster: Around) -> None:
    in_cluster.away = {meta("mail"), meta("default")}
    in_cluster.at_waits = [in_cluster.away.clear]
    assert in_cluster.join()
    assert [said["missing"] for _, said in in_cluster.sent] == [[]]
    assert len(in_cluster.waits_s) == 1


def test_what_redis_refuses_is_for_the_caller(around: Around) -> None:
    around.errors = [StoreRefused("NOPERM")]
    with pytest.raises(StoreRefused):
        around.join()
    assert around.sent == []


@pytest.mark.parametrize("reason", ["draining", "closed"])
@pytest.mark.parametrize("errors", [[], [StoreUnavailable() for _ in range(9)]], ids=["waiting for go", "no Redis"])
def test_it_ends_when_told_to_or_when_its_daemon_is_gone(
    around: Around, logged: Lines, reason: str, errors: list[StoreError]
) -> None:
    around.errors = list(errors)
    around.at_waits = [dict, lambda: setattr(around, reason, True)]
    assert not around.join()
    assert len(around.waits_s) == 2
