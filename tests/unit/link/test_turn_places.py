"""Which queues a worker is in by their turn, as its board says."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import MAX_QUEUES
from jqjobs.link.board import Board
from jqjobs.link.worker_board import WorkerBoard
from unit.link.boards import worker_side


@pytest.fixture
def worker(board: Board) -> WorkerBoard:
    return worker_side(board)


def test_a_queue_is_there_before_it_is_entered_and_until_it_is_struck_out(board: Board, worker: WorkerBoard) -> None:
    worker.turns.write_down("tenant-1")
    assert (list(board.turns.read()), board.turns.entered()) == (["tenant-1"], {})
    worker.turns.enter("tenant-1")
    assert list(board.turns.entered()) == ["tenant-1"]
    worker.turns.write_down("tenant-1")
    assert (list(board.turns.read()), board.turns.entered()) == (["tenant-1"], {})
    worker.turns.strike_out("tenant-1")
    assert board.turns.read() == {}


def test_who_was_in_a_queue_twice_is_told_from_who_was_in_it_all_the_while(board: Board, worker: WorkerBoard) -> None:
    words = []
    for _ in range(2):
        worker.turns.write_down("a")
        worker.turns.enter("a")
        words.append(board.turns.entered()["a"])
        worker.turns.strike_out("a")
    assert words[0] != words[1]


@pytest.mark.parametrize("named", [0, 1, 16, 31])
def test_there_is_room_for_as_many_queues_as_a_worker_may_have_with_the_longest_names(
    board: Board, worker: WorkerBoard, named: int
) -> None:
    def name(number: int) -> str:
        return f"{number:03}{'n' * 125}"

    header = {"worker_id": "w" * 64, "daemon": {"host": "h" * 253}, "queues": [name(n) for n in range(named)]}
    board.write_header(header)
    others = [name(100 + n) for n in range(MAX_QUEUES - named)]
    for queue in others:
        worker.turns.write_down(queue)
        worker.turns.enter(queue)
    assert (board.header, sorted(board.turns.entered())) == (header, others)
