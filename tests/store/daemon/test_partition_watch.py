"""What a daemon does about partitions: workers that serve too few are replaced, what is empty is forgotten, what Redis
has forgotten it is told again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.lease_messages import Join, LeaseEvent
from jqjobs.daemon.leases import partition_watch
from jqjobs.daemon.leases.keeper import LeaseKeeper
from jqjobs.daemon.leases.partition_watch import PartitionWatch
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreBusy
from jqjobs.jobs.partitions import Partitions
from jqjobs.link.board import Board
from jqjobs.link.queue_choice import QueueChoice
from jqjobs.store.call import Call
from jqjobs.store.calls import leases
from jqjobs.store.calls.partitions import partitions
from jqjobs.store.partitioning import repartition
from jqjobs.store.steps import run_steps
from store.queue_system import LEASE_MS, QueueSystem


class WatchedWorkers:
    """The watch of a daemon on a queue system, and which of its workers it has replaced."""

    def __init__(self, system: QueueSystem, directory: Path) -> None:
        self.system = system
        self._directory = directory
        self.told: list[LeaseEvent] = []
        settings = DaemonSettings("shop:app", system.url, queues=QueueChoice((), (), ("t-*",)), lease_s=LEASE_MS / 1000)
        self.keeper = LeaseKeeper(settings, "h:1:d", system.store, directory, self.told.append)

    @property
    def watch(self) -> PartitionWatch:
        return self.keeper.partition_watch

    def join(self, worker: str, *places: str, missing: tuple[str, ...] = ()) -> None:
        board = Board.create(self._directory / f"{worker}.board")
        self.keeper.do(Join(worker, places, leases.roster(()), board, missing))
        self.told.clear()

    def replaced(self) -> list[str]:
        """Look once; return the workers that were told of, each an outgrown one."""
        self.told.clear()
        self.watch.look()
        assert {event.kind for event in self.told} <= {"outgrown"}
        return sorted(event.worker_id for event in self.told)


@pytest.fixture
def workers(system: QueueSystem, tmp_path: Path) -> WatchedWorkers:
    return WatchedWorkers(system, tmp_path)


def split(system: QueueSystem, count: int, queue: str = "q") -> Partitions:
    return run_steps(system.run, repartition(queue, count))


def test_a_worker_that_does_not_serve_all_partitions_is_replaced(workers: WatchedWorkers) -> None:
    workers.join("w", "q", "other")
    assert workers.replaced() == []
    known = split(workers.system, 2)
    workers.join("other", "other")
    workers.join("new", *known.places)
    assert workers.replaced() == ["w"]


def test_while_no_queue_has_settings_all_are_asked_for_partitions_together(
    real_system: QueueSystem, tmp_path: Path
) -> None:
    workers = WatchedWorkers(real_system, tmp_path)
    workers.join("w", "q", "other")
    real_system.redis("CONFIG", "RESETSTAT")
    workers.replaced()
    told = real_system.redis("INFO", "commandstats").decode()
    assert "cmdstat_exists:calls=1," in told
    assert "cmdstat_hexists" not in told


def test_a_worker_that_began_without_a_queue_is_replaced_once_that_is_served_again(
    workers: WatchedWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.keeper.renew()
    workers.join("w", "q", missing=("lost",))
    run_many = workers.system.store.run_many

    def losing(calls: Sequence[Call[Any]]) -> list[Any]:
        answers = run_many(calls)
        return [StoreBusy() if "lost" in call.keys[0] else had for call, had in zip(calls, answers, strict=True)]

    assert workers.replaced() == [], "nobody has looked yet"
    monkeypatch.setattr(workers.system.store, "run_many", losing)
    with pytest.raises(StoreBusy):
        workers.keeper.renew()
    assert workers.replaced() == []
    monkeypatch.undo()
    workers.keeper.renew()
    assert workers.replaced() == ["w"]
    assert [event.message for event in workers.told] == ["queues"]


def test_a_successor_that_did_not_come_is_tried_again_later(
    workers: WatchedWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.join("w", "q")
    split(workers.system, 2)
    assert [workers.replaced(), workers.replaced()] == [["w"], []]
    monkeypatch.setattr(partition_watch, "_REPLACE_EVERY_S", 0)
    assert workers.replaced() == ["w"]


def test_what_redis_has_forgotten_it_is_told_again(workers: WatchedWorkers) -> None:
    split(workers.system, 2)
    known = split(workers.system, 3)
    workers.join("w", *known.places)
    workers.replaced()
    workers.system.redis("DEL", *[workers.system.key("settings", place) for place in known.places[:1]])
    workers.system.redis("DEL", workers.system.key("settings", "q~0"))
    assert workers.replaced() == []
    assert workers.system.run(partitions("q")) == known
    assert workers.system.redis("HEXISTS", workers.system.key("settings", "q~0"), "partitions") == 1


def test_what_comes_to_a_forgotten_partition_goes_on_to_where_it_belongs(
    workers: WatchedWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = workers.system
    split(system, 1)
    known = split(system, 2)
    workers.join("w", *known.places)
    monkeypatch.setattr(partition_watch, "_TIDY_EVERY_S", 0)
    workers.replaced()
    assert system.run(partitions("q")).places == ["q", "q~1", "q~2"]
    system.push({"job": "n", "id": "late"}, queue="q~0")
    workers.replaced()
    while workers.keeper.housekeeping.inboxes.are_filled:
        workers.keeper.housekeeping.inboxes.take_in()
    assert system.ids("ready", known.place("late")) == ["late"]
    assert system.redis("EXISTS", system.key("inbox", "q~0"), system.key("transfers", "q~0")) == 0


def test_places_without_jobs_are_forgotten_in_time_of_queues_by_pattern_too(
    workers: WatchedWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = split(workers.system, 2)
    workers.join("w", *known.places)
    workers.system.add("a", queue="t-1")
    split(workers.system, 2, "t-1")
    workers.keeper.patterns.find_stirring()
    workers.replaced()
    assert workers.system.run(partitions("q")) == known, "not with each look"
    monkeypatch.setattr(partition_watch, "_TIDY_EVERY_S", 0)
    workers.replaced()
    assert workers.system.run(partitions("q")).former == []
    assert workers.system.run(partitions("t-1")).former == ["t-1"], "there is a job"
