"""A cancel on the board: it is about one job, and says nothing of a later one at the same place."""

from __future__ import annotations

from pathlib import Path

import pytest

from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board, Entry
from jqjobs.link.board_layout import PLACES
from unit.link.boards import in_hand, worker_side

# Cancelling


def test_what_is_cancelled_is_seen_by_both_sides(board: Board, tmp_path: Path) -> None:
    jobs = in_hand(board, 1, 2)
    other = Board(board.path)
    other.cancel("q", "id-2", 2, 77)
    assert [worker_side(board).is_cancelled(job) for job in jobs] == [False, True]
    assert [entry.cancelled_ms for entry in other.entries()] == [0, 77]
    other.close()


def test_cancelling_again_does_not_move_the_moment_of_the_first_time(board: Board) -> None:
    in_hand(board, 1)
    board.cancel("q", "id-1", 1, 77)
    board.cancel("q", "id-1", 1, 99)
    assert board.entries()[0].cancelled_ms == 77


@pytest.mark.parametrize(("queue", "job_id", "attempt"), [("other", "id-1", 1), ("q", "id-2", 1), ("q", "id-1", 2)])
def test_a_job_that_the_worker_does_not_have_is_nobody(board: Board, queue: str, job_id: str, attempt: int) -> None:
    [one] = in_hand(board, 1)
    board.cancel(queue, job_id, attempt, 77)
    assert not worker_side(board).is_cancelled(one)


def in_the_same_place(board: Board, number: int, earlier: TakenJob) -> TakenJob:
    """Have the worker hold a job where an earlier one was."""
    worker_side(board).free([earlier.place])
    worker_side(board)._free.rotate(1)
    [one] = in_hand(board, number)
    assert one.place == earlier.place
    return one


def test_a_cancel_says_nothing_of_a_later_job_at_the_same_place(board: Board) -> None:
    [one] = in_hand(board, 1)
    board.cancel("q", "id-1", 1, 77)
    assert not worker_side(board).is_cancelled(in_the_same_place(board, 1, one)), "not even of the same job, taken anew"


def test_a_cancel_that_comes_too_late_says_nothing_of_the_next_job_there(board: Board) -> None:
    """The daemon has read the board, and the worker goes on before the daemon writes."""
    [one] = in_hand(board, 1)
    read, later = board.entries, []

    def read_and_go_on() -> list[Entry]:
        found = read()
        later.append(in_the_same_place(board, 2, one))
        return found

    board.entries = read_and_go_on  # type: ignore[method-assign]
    board.cancel("q", "id-1", 1, 77)
    assert [worker_side(board).is_cancelled(job) for job in later] == [False]
    assert [entry.cancelled_ms for entry in read()] == [0]


def test_after_a_cancel_that_came_too_late_the_next_job_there_can_be_cancelled(board: Board) -> None:
    [one] = in_hand(board, 1)
    board.cancel("q", "id-1", 1, 77)
    late = board._words[16 + PLACES + one.place]
    two = in_the_same_place(board, 2, one)
    board._words[16 + PLACES + one.place] = late
    board.cancel("q", "id-2", 2, 99)
    assert worker_side(board).is_cancelled(two)


def test_the_last_job_of_a_full_board_can_be_cancelled(board: Board) -> None:
    jobs = in_hand(board, *range(PLACES))
    board.cancel("q", f"id-{PLACES - 1}", PLACES - 1, 2**44 - 1)
    assert [job.id for job in jobs if worker_side(board).is_cancelled(job)] == [f"id-{PLACES - 1}"]
    assert len(board.entries()) == PLACES, "the lines are whole"
    assert board.entries()[-1].cancelled_ms == 2**44 - 1
