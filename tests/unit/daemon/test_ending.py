"""A daemon ends: how much patience its workers get, what systemd hears, and what changes it once it is under way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from jqjobs.daemon.ending import REDIS_AT_END_S, Ending, drain_s
from jqjobs.daemon.lease_messages import Drain
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.stop_plans import StopPlan
from jqjobs.link.board_layout import Word
from jqjobs.link.exits import DaemonExit
from log_lines import Lines
from unit.daemon.fake_workers import Clock, FakeWorkers

SETTINGS = DaemonSettings("shop:app", "redis://", grace_s=30, kill_after_s=5, cooldown_s=60)


@dataclass
class Notifier:
    told: list[str] = field(default_factory=list)
    extended_s: float = 0.0

    def tell(self, state: str, status: str) -> None:
        self.told.append(state)

    def extend(self, seconds: float) -> None:
        self.extended_s = seconds


@dataclass
class SourceChanges:
    abandoned: int = 0

    def abandon(self) -> None:
        self.abandoned += 1


@dataclass
class EndingDaemon:
    """An `Ending`, and whom it concerns."""

    workers: FakeWorkers
    notifier: Notifier = field(default_factory=Notifier)
    source_changes: SourceChanges = field(default_factory=SourceChanges)

    def __post_init__(self) -> None:
        fakes: Any = (self.workers.processes, self.source_changes, self.notifier)
        self.submitted: list[Drain] = []
        self.ending = Ending(SETTINGS, *fakes, self.submitted.append)
        self.started: list[WorkerProcess] = self.workers.start_ready(0, 1)

    def plans(self) -> list[StopPlan | None]:
        return [worker.plan for worker in self.started]


@pytest.fixture
def daemon(workers: FakeWorkers, logged: Lines, clock: Clock) -> EndingDaemon:
    return EndingDaemon(workers)


def test_a_drain_gives_every_worker_its_grace(daemon: EndingDaemon, clock: Clock) -> None:
    assert not daemon.ending.is_under_way
    daemon.ending.drain()
    assert daemon.plans() == [StopPlan(clock.now_s + 30, clock.now_s + 35)] * 2
    assert (daemon.ending.stage, daemon.ending.exit) == ("draining", DaemonExit.ORDERLY)
    assert not daemon.ending.wants_exec
    assert (daemon.notifier.told, daemon.notifier.extended_s) == (["draining"], drain_s(SETTINGS))
    assert daemon.source_changes.abandoned == 1, "no reload goes on beside it"


@pytest.mark.parametrize("begin", [Ending.drain, Ending.stop_now, Ending.replace], ids=lambda begin: begin.__name__)
def test_an_end_is_announced_on_the_boards_and_in_redis(daemon: EndingDaemon, begin: Callable[[Ending], None]) -> None:
    begin(daemon.ending)
    assert [worker.board.word(Word.DRAINING) for worker in daemon.started] == [1, 1]
    assert [command.workers for command in daemon.submitted] == [{w.id: w.queues for w in daemon.started}]


def test_being_told_to_drain_again_postpones_nothing(daemon: EndingDaemon, clock: Clock) -> None:
    daemon.ending.drain()
    before = daemon.plans()
    clock.now_s += 10
    daemon.ending.drain()
    assert daemon.plans() == before


def test_a_stop_cuts_a_drain_short_and_nothing_makes_it_a_drain_again(daemon: EndingDaemon, clock: Clock) -> None:
    daemon.ending.drain()
    clock.now_s += 10
    daemon.ending.stop_now()
    daemon.ending.drain()
    assert daemon.plans() == [StopPlan(clock.now_s, clock.now_s + 5)] * 2
    assert (daemon.ending.stage, daemon.notifier.extended_s) == ("stopping", 5 + REDIS_AT_END_S)


def test_who_retires_patiently_is_hurried_by_a_drain(daemon: EndingDaemon, workers: FakeWorkers) -> None:
    workers.processes.stop(daemon.started[0], stop_plans.retire_plan())
    daemon.ending.drain()
    assert all(plan is not None and plan.quit_at_s < math.inf for plan in daemon.plans())


def test_who_has_to_be_gone_sooner_is_not_given_more_time(
    daemon: EndingDaemon, workers: FakeWorkers, clock: Clock
) -> None:
    fenced = stop_plans.stop_plan(clock.now_s, 5)
    workers.processes.stop(daemon.started[0], fenced)
    daemon.ending.drain()
    assert daemon.plans()[0] == fenced


def test_to_be_replaced_is_a_drain_that_systemd_hears_as_a_reload(daemon: EndingDaemon, clock: Clock) -> None:
    daemon.ending.replace()
    assert (daemon.ending.stage, daemon.ending.wants_exec) == ("replacing", True)
    assert daemon.plans() == [StopPlan(clock.now_s + 30, clock.now_s + 35)] * 2
    assert (daemon.notifier.told, daemon.source_changes.abandoned) == (["reloading"], 0)


def test_a_drain_in_the_middle_of_it_means_the_end_after_all(daemon: EndingDaemon) -> None:
    daemon.ending.replace()
    daemon.ending.drain()
    assert (daemon.ending.stage, daemon.ending.wants_exec) == ("draining", False)


def test_who_gives_up_says_so_by_its_exit_code(daemon: EndingDaemon) -> None:
    daemon.ending.give_up()
    assert (daemon.ending.stage, daemon.ending.exit) == ("draining", DaemonExit.CONFIGURATION)


def test_after_its_cooldown_a_daemon_drains_once(daemon: EndingDaemon, clock: Clock, logged: Lines) -> None:
    clock.now_s += 59
    daemon.ending.drain_after_cooldown()
    assert not daemon.ending.is_under_way
    clock.now_s += 1
    for _ in range(2):
        daemon.ending.drain_after_cooldown()
    assert daemon.ending.stage == "draining"
    assert len(logged.of("daemon.cooldown")) == 1
