"""What the main loop has asked of the lease thread, on a real queue system: in order, kept, or dropped."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.daemon.lease_messages import Charge, Command, EndWorker, Join, Recall
from jqjobs.daemon.leases.commands import Commands, run_recall
from jqjobs.errors import StoreRefused, StoreUnavailable
from jqjobs.link.board import Board
from jqjobs.store.address import parse_url
from jqjobs.store.calls.leases import roster
from log_lines import Lines
from store.queue_system import QueueSystem


class NotedCommands:
    """Commands whose doing is noted, and goes wrong for some workers."""

    def __init__(self, url: str = "redis://") -> None:
        self.done: list[Command] = []
        self.wrong: dict[str, Exception] = {}
        self.joined: dict[str, Join] = {}
        store: Any = SimpleNamespace(address=parse_url(url), wire=SimpleNamespace(waits=SimpleNamespace(shorten=id)))
        self.commands = Commands(store, self.do, self.joined)

    def do(self, command: Command) -> None:
        if command.worker_id in self.wrong:
            raise self.wrong[command.worker_id]
        self.done.append(command)

    def ask(self, *commands: Command) -> None:
        for command in commands:
            self.commands.put(command)


def recall_of(worker: str) -> Recall:
    return Recall(worker, (("q", "a", 1),))


@pytest.fixture
def join(tmp_path: Path) -> Join:
    return Join("w", ("q",), roster(()), Board.create(tmp_path / "w.board"))


def test_commands_are_done_in_order_and_once(join: Join) -> None:
    noted = NotedCommands()
    noted.ask(join, recall_of("w"))
    assert not noted.commands.are_done
    noted.commands.do_all()
    noted.commands.do_all()
    assert (noted.done, noted.commands.are_done) == ([join, recall_of("w")], True)


def test_what_redis_refuses_is_kept_and_holds_up_only_what_is_said_of_the_same_worker(join: Join) -> None:
    noted = NotedCommands()
    noted.wrong["w"] = StoreRefused("no")
    noted.ask(join, recall_of("v"))
    with pytest.raises(StoreRefused):
        noted.commands.do_all()
    assert (noted.done, noted.commands.are_done) == ([recall_of("v")], False)
    noted.wrong.clear()
    noted.commands.do_all()
    assert noted.done == [recall_of("v"), join]


def test_where_a_node_of_a_cluster_is_away_the_others_hear_what_is_to_be_done(join: Join) -> None:
    noted, dead = NotedCommands("redis+cluster://n1"), EndWorker("v", ("q",), Charge("killed"), join.board)
    noted.wrong["w"] = StoreUnavailable()
    noted.ask(join, dead)
    with pytest.raises(StoreUnavailable):
        noted.commands.do_all()
    assert (noted.done, noted.commands.are_done) == ([dead], False)


def test_a_server_that_is_away_costs_a_round_one_timeout_and_the_dead_their_leases(join: Join) -> None:
    noted, dead = NotedCommands(), EndWorker("v", ("q",), Charge("killed"), join.board)
    noted.wrong["w"] = StoreUnavailable()
    noted.joined["v"] = join
    noted.ask(join, dead)
    with pytest.raises(StoreUnavailable):
        noted.commands.do_all()
    assert (noted.done, noted.joined) == ([], {})


@pytest.mark.parametrize("error", [StoreRefused("no"), StoreUnavailable()], ids=["refused", "unavailable"])
def test_a_recall_that_redis_did_not_hear_is_dropped_and_holds_nothing_up(join: Join, error: Exception) -> None:
    noted = NotedCommands()
    noted.wrong["w"] = error
    noted.ask(recall_of("w"))
    with pytest.raises(type(error)):
        noted.commands.do_all()
    assert noted.commands.are_done
    noted.wrong.clear()
    noted.ask(join)
    noted.commands.do_all()
    assert noted.done == [join]


def test_what_meets_a_defect_is_dropped_and_holds_nothing_up(join: Join, logged: Lines) -> None:
    noted = NotedCommands()
    noted.wrong["w"] = ValueError("operation forbidden on released memoryview object")
    noted.ask(join, recall_of("w"), recall_of("v"))
    noted.commands.do_all()
    assert (noted.done, noted.commands.are_done) == ([recall_of("v")], True)
    assert logged.names() == ["keeper.error"] * 2


def test_what_is_recalled_goes_back_in_all_its_queues(system: QueueSystem) -> None:
    for queue in ("q", "r"):
        system.add(f"{queue}1", f"{queue}2", queue=queue)
    system.take("w", 4, queues=("q", "r"))
    run_recall(system.store, Recall("w", (("r", "r1", 1), ("q", "q2", 1), ("r", "r2", 1))))

    assert (system.ids(), system.ids(queue="r")) == (["q2"], ["r1", "r2"])
    assert (system.active(), system.active("r")) == ({"w": ["q1"]}, {})
