"""Of all that is true of a daemon, what people are shown: to `jqctl status`, to systemd, to probes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.daemon.lease_messages import Report
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.shown_state import ShownState
from unit.daemon.fake_workers import Clock, FakeWorkers


class ShownDaemon:
    """A `ShownState`, and everything that it looks at: nothing is wrong, and one of two workers is ready."""

    def __init__(self, workers: FakeWorkers) -> None:
        self.told: list[tuple[str, str]] = []
        seats = SimpleNamespace(deaths_in_last_hour=lambda: 0)
        size = SimpleNamespace(bounds="1..8")
        self.lifecycle = SimpleNamespace(note="", is_quiet=False, wanted=2, seats=seats, size=size)
        self.leases = SimpleNamespace(waiting_for_redis="", missing_part="", report=Report(), turned_s=0.0)
        self.memory = SimpleNamespace(note="")
        self.source_changes = SimpleNamespace(
            is_under_way=False, refusal="", progress="0 done", files=SimpleNamespace(unwatched="")
        )
        self.ending = SimpleNamespace(stage="", wants_exec=False)
        notifier = SimpleNamespace(tell=lambda state, status: self.told.append((state, status)))
        host_facts = SimpleNamespace(as_json=lambda: "{}")
        parts: Any = (self.lifecycle, self.leases, self.memory, self.source_changes, self.ending, notifier, host_facts)
        parts = (*parts, SimpleNamespace(as_json=lambda: ""))
        settings = DaemonSettings("shop:app", "redis://", lease_s=30)
        self.shown = ShownState(settings, workers.processes, *parts)

    def end(self, stage: str) -> None:
        self.ending.stage, self.ending.wants_exec = stage, stage == "replacing"


@pytest.fixture
def daemon(workers: FakeWorkers, clock: Clock) -> ShownDaemon:
    made = ShownDaemon(workers)
    workers.start_ready(0)
    made.shown.publish()
    return made


def test_a_daemon_is_starting_until_a_worker_has_been_ready(workers: FakeWorkers) -> None:
    daemon = ShownDaemon(workers)
    daemon.shown.publish()
    [worker] = workers.start_ready(0)
    daemon.shown.publish()
    worker.state = "stopping"
    daemon.shown.publish()
    assert daemon.told == [
        ("starting", "starting, 0 of 2 workers ready"),
        ("running", "1 of 2 workers ready"),
        ("running", "0 of 2 workers ready"),
    ]


def test_what_matters_most_is_shown(daemon: ShownDaemon) -> None:
    shown: list[tuple[str, str]] = [daemon.shown.look()]
    daemon.lifecycle.is_quiet, daemon.leases.missing_part = True, "a part is away"
    shown.append(daemon.shown.look())
    daemon.memory.note = "little is free"
    shown.append(daemon.shown.look())
    daemon.source_changes.is_under_way = True
    shown.append(daemon.shown.look())
    daemon.leases.waiting_for_redis = "no answer"
    shown.append(daemon.shown.look())
    daemon.end("draining")
    shown.append(daemon.shown.look())
    assert shown == [
        ("running", ""), ("quiet", "a part is away"), ("waiting_memory", "little is free"), ("reloading", ""),
        ("waiting_redis", "no answer"), ("draining", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "state"), [("stopping", "stopping"), ("draining", "draining"), ("replacing", "reloading")]
)
def test_an_end_is_shown_as_what_it_is_for(daemon: ShownDaemon, stage: str, state: str) -> None:
    daemon.end(stage)
    assert daemon.shown.look()[0] == state


def test_a_refused_reload_is_told_until_the_next_one(daemon: ShownDaemon) -> None:
    daemon.lifecycle.note = "workers do not start: no module named shop"
    assert daemon.shown.look() == ("running", "workers do not start: no module named shop")
    daemon.source_changes.refusal = "SyntaxError"
    assert daemon.shown.look() == ("running", "reload refused: SyntaxError")
    daemon.source_changes.is_under_way = True
    assert daemon.shown.look() == ("reloading", "workers do not start: no module named shop")


def test_the_registry_is_told_the_same(daemon: ShownDaemon) -> None:
    daemon.lifecycle.is_quiet = True
    daemon.shown.publish()
    about = daemon.leases.report.about
    assert (about["state"], about["note"], about["slots"]) == ("quiet", "", 2)


def test_probes_see_what_was_published_and_when(daemon: ShownDaemon, clock: Clock) -> None:
    daemon.lifecycle.is_quiet, daemon.leases.turned_s = True, clock.now_s + 5
    clock.now_s += 7
    health = daemon.shown.health()
    assert (health.state, health.main_loop_age_s, health.lease_loop_age_s) == ("running", 7, 2)
    assert (health.ready, health.wanted, health.lease_s) == (1, 2, 30)
