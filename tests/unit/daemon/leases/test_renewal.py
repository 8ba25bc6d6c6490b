"""Who is fenced by a round of renewals, and who has only let go of a queue meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from jqjobs.daemon.lease_messages import Join
from jqjobs.daemon.leases.renewal import Renewal
from jqjobs.link.board import Board
from jqjobs.store.calls.leases import Renewed, roster
from unit.link.boards import worker_side


@pytest.fixture
def join(tmp_path: Path) -> Join:
    board = Board.create(tmp_path / "w.board")
    for queue in ("t-1", "t-2"):
        worker_side(board).turns.write_down(queue)
        worker_side(board).turns.enter(queue)
    return Join("w", ("named",), roster(["n"]), board)


def fenced(join: Join, lost: str, renewal: Renewal) -> list[Join]:
    answers = [Renewed([call.keys[0] != f"{{{lost}}}:meta"], set()) for call in renewal.calls]
    return list(renewal.fenced(answers))


@pytest.mark.parametrize("lost", ["named", "t-1"])
def test_who_has_no_lease_where_it_is_is_fenced(join: Join, lost: str) -> None:
    assert fenced(join, lost, Renewal([join], ["named"], 1000)) == [join]


def test_who_has_let_go_meanwhile_or_has_come_back_is_not(join: Join) -> None:
    renewal, turns = Renewal([join], ["named"], 1000), worker_side(join.board).turns
    turns.strike_out("t-1")
    assert fenced(join, "t-1", renewal) == []
    turns.write_down("t-1")
    turns.enter("t-1")
    assert fenced(join, "t-1", renewal) == []


def test_offers_are_renewed_where_no_worker_is(join: Join) -> None:
    renewal = Renewal([join], ["elsewhere"], 1000)
    assert [call.keys[0] for call in renewal.calls] == ["{elsewhere}:meta", "{named}:meta", "{t-1}:meta", "{t-2}:meta"]
    assert renewal.calls[0].args == ["", 1000, 0, join.roster.digest]
    unknown = [Renewed([], {join.roster.digest}), *[Renewed([True], set())] * 3]
    assert [call.args for call in renewal.offers(unknown)] == [["", 1000, join.roster.digest, "n"]]
