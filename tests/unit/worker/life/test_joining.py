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
from jqjobs.store.address import Address
from jqjobs.worker.life.joining import join
from jqjobs.worker.trips.offering import Offering
from log_lines import Lines


class Around:
    """A worker that has loaded an app with two queues and serves one; its daemon says "go" when the test does."""

    def __init__(self) -> None:
        self.app = App(redis_url="redis://127.0.0.1:1")
        self.app.job(name="send", queue="mail")(lambda: None)
        self.app.job(name="count")(lambda: None)
        self.draining = self.closed = self.may_begin = False
        self.published = 0
        self.errors: list[StoreError] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.at_waits: list[Callable[[], object]] = []
        self.waits_s: list[float] = []

    def join(self) -> bool:
        parts: Any = SimpleNamespace(
            app=self.app, rng=random.Random(1),
            config=SimpleNamespace(app="a:app", worker_id="w", lease_ms=30_000, choice=QueueChoice.parse("mail")),
            exchanger=SimpleNamespace(order=SimpleNamespace(queues=("mail",))),
            store=SimpleNamespace(run=self.publish, address=Address()), offering=Offering(self.app.registry, 30_000),
            channel=self, signals=self, instructions=self, wake_wait=self,
        )  # fmt: skip
        return join(parts)

    def publish(self, call: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.published += 1

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
    assert around.sent == [("ready", {"queues": ("mail",), "names": names, "unserved": ["default"], "outbox": False})]
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
