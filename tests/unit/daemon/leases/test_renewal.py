"""Who is fenced by a round of renewals, and who has only let go of a queue meanwhile."""

from __future__ import annotations

from dataclasses import replace
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


def renewal_of(*joins: Join, offered_in: str = "named", in_one_place: bool = False) -> Renewal:
    return Renewal(joins, [offered_in], 1000, in_one_place=in_one_place)


def fenced(join: Join, lost: str, renewal: Renewal) -> list[Join]:
    return list(renewal.fenced([Renewed([call.keys[0] != f"{{{lost}}}:meta"], set()) for call in renewal.calls]))


@pytest.mark.parametrize("lost", ["named", "t-1"])
def test_who_has_no_lease_where_it_is_is_fenced(join: Join, lost: str) -> None:
    assert fenced(join, lost, renewal_of(join)) == [join]


def test_who_has_let_go_meanwhile_or_has_come_back_is_not(join: Join) -> None:
    renewal, turns = renewal_of(join), worker_side(join.board).turns
    turns.strike_out("t-1")
    assert fenced(join, "t-1", renewal) == []
    turns.write_down("t-1")
    turns.enter("t-1")
    assert fenced(join, "t-1", renewal) == []


def test_offers_are_renewed_where_no_worker_is(join: Join) -> None:
    renewal = renewal_of(join, offered_in="elsewhere")
    assert [call.keys for call in renewal.calls] == [[f"{{{q}}}:meta"] for q in ("elsewhere", "named", "t-1", "t-2")]
    assert renewal.calls[0].args == ["", 1000, 0, join.roster.digest]
    unknown = [Renewed([], {join.roster.digest}), *[Renewed([True], set())] * 3]
    assert [call.args for call in renewal.offers(unknown)] == [["", 1000, join.roster.digest, "n"]]


def test_queues_with_the_same_workers_go_in_one_call_if_they_are_in_one_place(join: Join) -> None:
    renewal = renewal_of(join, offered_in="elsewhere", in_one_place=True)
    assert [call.keys for call in renewal.calls] == [["{elsewhere}:meta"], ["{named}:meta", "{t-1}:meta", "{t-2}:meta"]]
    assert [call.args for call in renewal.calls] == [
        ["", 1000, 0, join.roster.digest], ["", 1000, 1, "w", join.roster.digest],
    ]  # fmt: skip


def test_of_many_workers_fewer_queues_go_in_one_call(join: Join, tmp_path: Path) -> None:
    places = tuple(f"q{nth:02}" for nth in range(40))
    other = Join("", places, join.roster, Board.create(tmp_path / "other.board"))
    joins = [replace(other, worker_id=f"w{nth}") for nth in range(400)]
    for some, sizes in {2: [32, 8], 400: [2] * 20}.items():
        renewal = renewal_of(*joins[:some], offered_in="q00", in_one_place=True)
        assert [len(call.keys) for call in renewal.calls] == sizes
