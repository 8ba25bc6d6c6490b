"""What a daemon does for queues that it serves by patterns: finds them, keeps house where anything is, and calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from jqjobs.daemon.lease_messages import Charge, EndWorker, Join, LeaseEvent
from jqjobs.daemon.leases.keeper import LeaseKeeper
from jqjobs.daemon.leases.pattern_queues import PatternQueues
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.jobs.records import NewJob
from jqjobs.link.board import Board, BoardEntry
from jqjobs.link.queue_choice import QueueChoice
from jqjobs.store.calls import enqueueing, leases, upkeep
from jqjobs.store.calls.leases import roster
from jqjobs.store.calls.turns import take_called
from jqjobs.store.reads.rosters import are_offered
from store.queue_system import LEASE_MS, QueueSystem
from unit.link.boards import worker_side


@pytest.fixture
def keeper(system: QueueSystem, tmp_path: Path) -> LeaseKeeper:
    return keeper_of(system, tmp_path)


def keeper_of(system: QueueSystem, directory: Path, daemon_id: str = "h:1:d") -> LeaseKeeper:
    queues = QueueChoice(("t-named",), (), ("t-*", "u-*"))
    settings = DaemonSettings("shop:app", system.url, queues=queues, lease_s=LEASE_MS / 1000)
    return LeaseKeeper(settings, daemon_id, system.store, directory, LeaseEvents().append)


class LeaseEvents(list[LeaseEvent]):
    """What the main loop was told."""


def known(system: QueueSystem, *queues: str) -> None:
    system.run(upkeep.add_queues(queues))


def called(system: QueueSystem, pattern: str = "t-*") -> list[str]:
    return sorted(system.run(take_called(pattern, 100, 1)).queues)


def test_workers_are_called_to_queues_with_something_to_take(system: QueueSystem, keeper: LeaseKeeper) -> None:
    known(system, "t-1", "t-2", "t-3", "t-named", "u-1", "other")
    for queue in ("t-1", "t-named", "u-1", "other"):
        system.add("a", queue=queue)
    system.push({"job": "n"}, queue="t-3")
    keeper.patterns.look()
    assert keeper.patterns.stirring == {"t-1", "t-3", "u-1"}
    assert (called(system), called(system, "u-*")) == (["t-1", "t-3"], ["u-1"])
    keeper.patterns.look()
    assert called(system) == ["t-1", "t-3"], "nobody has come: they are called again"


def test_a_paused_queue_calls_nobody(system: QueueSystem, keeper: LeaseKeeper) -> None:
    known(system, "t-1")
    system.add("a", queue="t-1")
    system.run(upkeep.pause("t-1"))
    keeper.patterns.look()
    assert called(system) == []


def test_suspects_call_workers_too(system: QueueSystem, keeper: LeaseKeeper) -> None:
    known(system, "t-1")
    system.add("a", queue="t-1")
    system.join("w", queues=["t-1"])
    system.trip("w", 1, queues=["t-1"])
    system.run(leases.leave("t-1", "w", "killed", [BoardEntry("a", 1, "suspect 1 0")]))
    keeper.patterns.look()
    assert (system.ids("suspects", "t-1"), called(system)) == (["a"], ["t-1"])


def test_hooks_of_dead_jobs_call_workers_too(system: QueueSystem, keeper: LeaseKeeper) -> None:
    known(system, "t-1", "t-2")
    system.redis("ZADD", system.key("hooks", "t-1"), 1, "a n")
    keeper.patterns.look()
    assert called(system) == ["t-1"]


def test_what_becomes_due_is_promoted_at_its_moment(system: QueueSystem, keeper: LeaseKeeper) -> None:
    known(system, "t-1")
    system.run(enqueueing.enqueue("t-1", [NewJob("n", b"{}", id="later", due="+60")]))
    keeper.patterns.look()
    assert (keeper.patterns.due_in_s or 0) <= 0.06
    system.clock.advance(60)
    while keeper.patterns.due_in_s is not None:
        keeper.patterns.see_to_due()
    assert (system.ids("ready", "t-1"), called(system)) == (["later"], ["t-1"])


def test_an_inbox_that_nobody_has_told_of_is_found(system: QueueSystem, keeper: LeaseKeeper) -> None:
    for queue in ("t-9", "other", "t-bad name"):
        system.push({"job": "n"}, queue=queue)
    keeper.patterns.look()
    assert system.store.queues() == ["t-9"]
    keeper.patterns.look()
    assert called(system) == ["t-9"]


def test_of_several_daemons_one_looks(system: QueueSystem, keeper: LeaseKeeper, tmp_path: Path) -> None:
    other = keeper_of(system, tmp_path, "h:2:e")
    keeper.patterns.look()
    other.patterns.look()  # its first one is its own, so that it knows what there is
    known(system, "t-1")
    system.add("a", queue="t-1")
    other.patterns.look()
    assert (other.patterns.stirring, called(system)) == (frozenset(), [])
    keeper.patterns.look()
    assert called(system) == ["t-1"]


def test_leases_by_turn_are_renewed_and_end_with_the_worker(
    system: QueueSystem, keeper: LeaseKeeper, tmp_path: Path
) -> None:
    board = Board.create(tmp_path / "w.board")
    keeper.do(Join("w", ("t-named",), roster(["n"]), board))
    for queue in ("t-1", "t-2"):
        worker_side(board).turns.write_down(queue)
        system.run(leases.join_by_turn(queue, "w", LEASE_MS, "d"))
    worker_side(board).turns.enter("t-1")
    system.clock.advance(1000)
    keeper.renew()
    assert system.score("leases", "w", "t-1") == system.score("leases", "w", "t-named")
    assert system.score("leases", "w", "t-2") == system.clock.now_ms - 1000 + LEASE_MS, "not before it is entered"
    keeper.do(EndWorker("w", ("t-named",), Charge("killed"), board))
    assert [system.ids("leases", queue) for queue in ("t-1", "t-2", "t-named")] == [[], [], []]


def test_what_workers_offer_is_renewed_where_anything_is(
    system: QueueSystem, keeper: LeaseKeeper, tmp_path: Path
) -> None:
    board = Board.create(tmp_path / "w.board")
    keeper.do(Join("w", ("t-named",), roster(["n"]), board))
    known(system, "t-1")
    system.add("a", queue="t-1")
    keeper.patterns.look()
    keeper.renew()
    assert are_offered(system.store, [("n", "t-1")], system.clock.now_ms) == [True]
    board.close()


def test_without_patterns_nothing_is_asked(system: QueueSystem, tmp_path: Path) -> None:
    settings = DaemonSettings("shop:app", system.url)
    keeper = LeaseKeeper(settings, "h:1:d", system.store, tmp_path, LeaseEvents().append)
    assert isinstance(keeper.patterns, PatternQueues)
    keeper.patterns.find_stirring()
    assert (keeper.patterns.stirring, system.redis("KEYS", "*")) == (frozenset(), [])
