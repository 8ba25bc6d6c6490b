"""The board as its worker writes it: each job has its place, and none starts that something speaks against."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import PLACES, Stage, Word
from jqjobs.link.worker_board import WorkerBoard
from unit.link.boards import in_hand


def test_each_job_has_a_place_of_its_own_until_it_is_freed(board: Board, worker_board: WorkerBoard) -> None:
    jobs = in_hand(board, *range(20))
    assert (len({one.place for one in jobs}), worker_board.free_places) == (20, PLACES - 20)
    for one in jobs[:19]:
        worker_board.free([one.place])
    assert [entry.id for entry in board.entries()] == ["id-19"]
    assert worker_board.free_places == PLACES - 1


def test_nothing_is_left_of_a_longer_line_that_stood_at_the_same_place(board: Board, worker_board: WorkerBoard) -> None:
    worker_board._free.clear()
    worker_board._free.append(7)
    worker_board.add([TakenJob("q" * 128, "i" * 128, 2**53, "n" * 128, b"")])
    worker_board.free([7])
    in_hand(board, 1)
    assert [(entry.place, entry.queue, entry.id, entry.name) for entry in board.entries()] == [(7, "q", "id-1", "name")]


def test_the_place_that_was_free_the_longest_is_used_first(board: Board, worker_board: WorkerBoard) -> None:
    """So that a reader who looks twice does not find another job under the same number of ms."""
    first, second = in_hand(board, 1, 2)
    worker_board.free([second.place])
    worker_board.free([first.place])
    later = in_hand(board, *range(PLACES))
    assert [job.place for job in later[-2:]] == [second.place, first.place]


def test_a_full_board_with_the_longest_names_fits(board: Board, worker_board: WorkerBoard) -> None:
    longest = [TakenJob("q" * 128, f"{n:0>128}", 2**53, "n" * 128, b"", timeout_ms=10**12) for n in range(PLACES)]
    worker_board._serial = 2**61 - PLACES - 1
    worker_board.add(longest)
    for one in longest:
        worker_board.mark(one.place, Stage.RUNNING, monotonic_ms())
    assert worker_board.free_places == 0
    assert [(e.queue, e.id, e.attempt, e.timeout_ms, e.name) for e in board.running()] == [
        (job.queue, job.id, job.attempt, job.timeout_ms, job.name) for job in longest
    ]


def test_moments_of_the_far_future_fit_into_a_word(board: Board, worker_board: WorkerBoard) -> None:
    [one] = in_hand(board, 1)
    worker_board.mark(one.place, Stage.RELEASED, 2**60)
    assert board.entries()[0].since_ms == 2**60
    assert board.entries()[0].stage is Stage.RELEASED


# Starting


@pytest.fixture
def leased(board: Board) -> Board:
    """The board, under a lease that holds."""
    board.set_word(Word.LEASE_UNTIL, monotonic_ms() + 3_600_000)
    return board


def test_a_job_that_starts_runs_from_now_on(leased: Board, worker_board: WorkerBoard) -> None:
    before = monotonic_ms()
    [one] = in_hand(leased, 1)
    assert worker_board.start(one)
    [entry] = leased.running()
    assert before <= entry.since_ms == one.started_ms <= monotonic_ms()


@pytest.mark.parametrize("why", ["no lease", "cancelled", "recalled"])
def test_some_things_speak_against_a_start(leased: Board, worker_board: WorkerBoard, why: str) -> None:
    [one] = in_hand(leased, 1)
    if why == "no lease":
        leased.set_word(Word.LEASE_UNTIL, monotonic_ms() - 1)
    elif why == "cancelled":
        leased.cancel("q", "id-1", 1, 5)
    else:
        leased.set_word(Word.RECALL, 5)
    assert not worker_board.start(one)


class Watched:
    """The words of a board; notes which are read and written, and in which order."""

    def __init__(self, words: Any) -> None:
        self.words = words
        self.seen: list[tuple[str, int]] = []

    def __getitem__(self, index: int) -> int:
        self.seen.append(("read", int(index)))
        return int(self.words[index])

    def __setitem__(self, index: int, value: int) -> None:
        self.seen.append(("write", int(index)))
        self.words[index] = value


def test_a_job_is_marked_as_running_before_the_recall_is_looked_at(leased: Board, worker_board: WorkerBoard) -> None:
    """Else a job could start after the daemon has looked at the marks and given it away."""
    [one] = in_hand(leased, 1)
    real = worker_board._words
    worker_board._words = watched = Watched(real)  # type: ignore[assignment]
    assert worker_board.start(one)
    worker_board._words = real
    marked, looked = watched.seen.index(("write", 16 + one.place)), watched.seen.index(("read", Word.RECALL))
    assert marked < looked


def test_the_lease_holds_until_the_moment_the_daemon_wrote(board: Board, worker_board: WorkerBoard) -> None:
    board.set_word(Word.LEASE_UNTIL, monotonic_ms() + 60_000)
    assert worker_board.lease_holds()
    board.set_word(Word.LEASE_UNTIL, monotonic_ms() - 1)
    assert not worker_board.lease_holds()


def test_a_tick_is_the_present_moment(board: Board, worker_board: WorkerBoard) -> None:
    worker_board.tick()
    assert 0 <= monotonic_ms() - board.word(Word.TICK) < 60_000
