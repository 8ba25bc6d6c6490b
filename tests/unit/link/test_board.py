"""The board: read while it is written, torn, overfull or of somebody else, it never says what is not so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import TakenJob
from jqjobs.link.board import PLACES, Board, Entry, Stage, Word
from unit.link.boards import held, job


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board.create(tmp_path / "w.board")
    yield made
    made.close()


def test_a_new_board_is_empty(board: Board) -> None:
    assert (board.entries(), board.running(), board.header, board.lease_holds()) == ([], [], {}, False)


def test_a_reader_sees_what_the_writer_marked(board: Board, tmp_path: Path) -> None:
    first, second, _ = board_jobs = [job(1, timeout_ms=500), job(2), job(3)]
    board.hold(board_jobs)
    board.mark(first.place, Stage.SUCCEEDED, 70)
    board.mark(second.place, Stage.RUNNING, 80)
    reader = Board(tmp_path / "w.board")
    assert reader.entries() == [
        Entry("q", "id-1", 1, 500, "name", Stage.SUCCEEDED, 70),
        Entry("q", "id-2", 2, 0, "name", Stage.RUNNING, 80),
        Entry("q", "id-3", 3, 0, "name", Stage.HELD, 3),
    ]
    assert [entry.id for entry in reader.running()] == ["id-2"]
    reader.close()


def test_each_job_has_a_place_of_its_own_until_it_is_freed(board: Board) -> None:
    jobs = held(board, *range(20))
    assert (len({one.place for one in jobs}), board.room) == (20, PLACES - 20)
    for one in jobs[:19]:
        board.free(one.place)
    assert [entry.id for entry in board.entries()] == ["id-19"]
    assert board.room == PLACES - 1


def test_nothing_is_left_of_a_longer_line_that_stood_at_the_same_place(board: Board) -> None:
    board._free.clear()
    board._free.append(7)
    board.hold([TakenJob("q" * 128, "i" * 128, 2**53, "n" * 128, b"")])
    board.free(7)
    held(board, 1)
    assert [(entry.place, entry.queue, entry.id, entry.name) for entry in board.entries()] == [(7, "q", "id-1", "name")]


def test_the_place_that_was_free_the_longest_is_used_first(board: Board) -> None:
    """So that a reader who looks twice does not find another job under the same number of ms."""
    first, second = held(board, 1, 2)
    board.free(second.place)
    board.free(first.place)
    later = held(board, *range(PLACES))
    assert [job.place for job in later[-2:]] == [second.place, first.place]


def test_a_full_board_with_the_longest_names_fits(board: Board) -> None:
    longest = [TakenJob("q" * 128, f"{n:0>128}", 2**53, "n" * 128, b"", timeout_ms=10**12) for n in range(PLACES)]
    board._serial = 2**61 - PLACES - 1
    board.hold(longest)
    for one in longest:
        board.mark(one.place, Stage.RUNNING, monotonic_ms())
    assert board.room == 0
    assert [(e.queue, e.id, e.attempt, e.timeout_ms, e.name) for e in board.running()] == [
        (job.queue, job.id, job.attempt, job.timeout_ms, job.name) for job in longest
    ]


def test_moments_of_the_far_future_fit_into_a_word(board: Board) -> None:
    [one] = held(board, 1)
    board.mark(one.place, Stage.RELEASED, 2**60)
    assert board.entries()[0].since_ms == 2**60
    assert board.entries()[0].stage is Stage.RELEASED


# Starting


@pytest.fixture
def leased(board: Board) -> Board:
    board.set_word(Word.LEASE_UNTIL, monotonic_ms() + 3_600_000)
    return board


def test_a_job_that_starts_runs_from_now_on(leased: Board) -> None:
    before = monotonic_ms()
    [one] = held(leased, 1)
    assert leased.start(one)
    [entry] = leased.running()
    assert before <= entry.since_ms == one.started_ms <= monotonic_ms()


@pytest.mark.parametrize("why", ["no lease", "cancelled", "recalled"])
def test_some_things_speak_against_a_start(leased: Board, why: str) -> None:
    [one] = held(leased, 1)
    if why == "no lease":
        leased.set_word(Word.LEASE_UNTIL, monotonic_ms() - 1)
    elif why == "cancelled":
        leased.cancel("q", "id-1", 1, 5)
    else:
        leased.set_word(Word.RECALL, 5)
    assert not leased.start(one)


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


def test_a_job_is_marked_as_running_before_the_recall_is_looked_at(leased: Board) -> None:
    """Else a job could start after the daemon has looked at the marks and given it away."""
    [one] = held(leased, 1)
    real = leased._words
    leased._words = watched = Watched(real)  # type: ignore[assignment]
    assert leased.start(one)
    leased._words = real
    marked, looked = watched.seen.index(("write", 16 + one.place)), watched.seen.index(("read", Word.RECALL))
    assert marked < looked


def test_the_header_says_who_it_is(board: Board) -> None:
    about = {"worker_id": "w", "queues": ["q" * 100] * 30, "worker": {"pid": 1}}
    board.write_header(about)
    assert board.header == about
    board.write_header({})
    assert board.header == {}
    with pytest.raises(ValueError, match="too long"):
        board.write_header({"x": "y" * 5000})


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xff", b"5", b'{"a": "\xc3'])
def test_a_damaged_header_is_an_empty_one(board: Board, raw: bytes) -> None:
    board._map[8 : 8 + len(raw)] = raw
    assert board.header == {}


@pytest.mark.parametrize("content", [b"", b"jqboard1", b"x" * 236_288, b"\0" * 500_000], ids=len)
def test_another_file_is_no_board(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(ValueError, match="not a board"):
        Board(tmp_path / "other")


def test_a_board_is_made_once_and_gone_when_removed(board: Board, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        Board.create(tmp_path / "w.board")
    other = Board.create(tmp_path / "other.board")
    other.remove()
    assert not (tmp_path / "other.board").exists()
    with pytest.raises(FileNotFoundError):
        Board(tmp_path / "other.board")


def test_the_lease_holds_until_the_moment_the_daemon_wrote(board: Board) -> None:
    board.set_word(Word.LEASE_UNTIL, monotonic_ms() + 60_000)
    assert board.lease_holds()
    board.set_word(Word.LEASE_UNTIL, monotonic_ms() - 1)
    assert not board.lease_holds()


def test_a_tick_is_the_present_moment(board: Board) -> None:
    board.tick()
    assert 0 <= monotonic_ms() - board.word(Word.TICK) < 60_000


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs root to mount a small tmpfs")
def test_a_full_runtime_directory_is_an_error_and_leaves_no_board(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], check=False).returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        with pytest.raises(OSError, match="No space left"):
            Board.create(small / "x.board")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
