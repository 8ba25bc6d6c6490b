"""As many workers as the jobs call for: up at once, down one idle one at a time, and not while nobody knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.daemon.scaler import Scaler
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.worker_lifecycle import WorkerLifecycle
from jqjobs.jobs.scaling import Load
from jqjobs.link.bounds import Bounds
from log_lines import Lines
from unit.daemon.fake_workers import Clock, FakeWorkers
from unit.link.boards import in_hand, worker_side

BURST = Load(ready=200)
NOTHING = Load()


@dataclass
class ScaledDaemon:
    """A daemon with 1..8 workers, whose lease thread tells what the test says, once a second."""

    workers: FakeWorkers
    clock: Clock
    room: int | None = None
    leases: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(load=None, reads_load=False))
    source_changes: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(is_under_way=False))

    def __post_init__(self) -> None:
        settings = DaemonSettings("shop:app", "redis://", processes=Bounds(1, 8))
        memory: Any = SimpleNamespace(room_for_more=lambda: self.room)
        leases: Any = self.leases
        changes: Any = self.source_changes
        self.lifecycle = WorkerLifecycle(settings, self.workers.processes, leases, memory, changes)
        self.scaler = Scaler(settings, self.lifecycle, self.workers.processes, leases, memory, changes)

    def turn(self) -> int:
        """Let the main loop turn; return how many workers are wanted then. Those that start are ready at once."""
        self.scaler.look()
        self.lifecycle.start_workers()
        for worker in self.workers.processes:
            if worker.plan is None:
                worker.state = "ready"
        return self.lifecycle.wanted

    def hear(self, load: Load, times: int = 1) -> list[int]:
        """Hear so often, a second apart, of a load; return how many workers are wanted each time."""
        found = []
        for _ in range(times):
            self.clock.now_s += 1
            ready = sum(worker.state == "ready" for worker in self.workers.processes)
            self.leases.load = load._replace(workers=ready)
            found.append(self.turn())
        return found

    def end_all_that_stop(self) -> None:
        for worker in self.workers.processes:
            if worker.plan is not None:
                self.workers.end(worker, 0)


@pytest.fixture
def daemon(workers: FakeWorkers, clock: Clock, logged: Lines) -> ScaledDaemon:
    made = ScaledDaemon(workers, clock)
    made.turn()
    return made


def test_a_burst_doubles_them_at_once_and_says_so(daemon: ScaledDaemon, logged: Lines) -> None:
    assert daemon.hear(BURST, 5) == [2, 4, 8, 8, 8]
    assert [(line["before"], line["now"]) for line in logged.of("daemon.scaled")] == [(1, 2), (2, 4), (4, 8)]
    assert "200 jobs" in logged.of("daemon.scaled")[0]["why"]


def test_the_same_news_is_acted_on_once(daemon: ScaledDaemon) -> None:
    daemon.hear(BURST)
    assert [daemon.turn() for _ in range(3)] == [2, 2, 2]


def test_idle_ones_go_one_at_a_time_after_the_hold_down_to_the_least(daemon: ScaledDaemon) -> None:
    daemon.hear(BURST, 3)
    assert daemon.hear(NOTHING, 60) == [8] * 59 + [7]
    assert daemon.hear(NOTHING, 8) == [6, 5, 4, 3, 2, 1, 1, 1]


def test_a_busy_one_never_goes_and_keeps_no_idle_one(daemon: ScaledDaemon) -> None:
    daemon.hear(BURST, 3)
    last = max(daemon.workers.processes, key=lambda worker: worker.seat)
    in_hand(last.board, 1)
    daemon.hear(NOTHING._replace(in_hand=1, busy=1), 70)
    assert daemon.workers.names() == [last.id]
    for entry in last.board.entries():
        worker_side(last.board).free([entry.place])
    daemon.hear(BURST)
    assert len(daemon.workers.names()) == 2


def test_while_redis_is_away_nothing_changes_and_the_hold_begins_anew(daemon: ScaledDaemon) -> None:
    daemon.hear(BURST, 3)
    daemon.hear(NOTHING, 50)
    daemon.leases.load = None
    for _ in range(100):
        daemon.clock.now_s += 1
        assert daemon.turn() == 8
    assert daemon.hear(NOTHING, 60)[-2:] == [8, 7]


def test_a_quiet_daemon_stays_as_it_is(daemon: ScaledDaemon) -> None:
    daemon.hear(BURST)
    daemon.lifecycle.is_quiet = True
    assert set(daemon.hear(BURST, 3) + daemon.hear(NOTHING, 100)) == {2}


def test_during_a_deploy_it_may_grow_and_does_not_shrink(daemon: ScaledDaemon) -> None:
    daemon.source_changes.is_under_way = True
    assert daemon.hear(BURST, 3) == [2, 4, 8]
    assert daemon.hear(NOTHING, 100)[-1] == 8
    daemon.source_changes.is_under_way = False
    assert daemon.hear(NOTHING) == [7]


def test_it_grows_no_further_than_there_is_memory(daemon: ScaledDaemon) -> None:
    daemon.room = 1
    assert daemon.hear(BURST, 2) == [2, 3]
    daemon.room = 0
    assert daemon.hear(BURST, 2) == [3, 3]


def test_a_number_that_was_ordered_stays_until_a_range_is(daemon: ScaledDaemon) -> None:
    daemon.lifecycle.size.scale(Bounds.fixed(3))
    assert daemon.hear(BURST, 3) == [3, 3, 3]
    assert not daemon.leases.reads_load, "nobody wants to know"
    daemon.lifecycle.size.scale(Bounds(2, 5))
    assert daemon.hear(BURST) == [5]
    assert daemon.leases.reads_load


def test_a_new_image_that_goes_on_with_many_keeps_them_for_the_hold(daemon: ScaledDaemon) -> None:
    daemon.lifecycle.size.resize(6)
    assert daemon.hear(NOTHING, 60) == [6] * 60
    assert daemon.hear(NOTHING) == [5]
