"""The board: read while it is written, torn, overfull or of somebody else, it never says what is not so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.board import MAX_BATCH, Board, Entry, Stage, Word
from jqjobs.clock import monotonic_ms
from jqjobs.job import TakenJob
from waiting import eventually


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board.create(tmp_path / "w.board")
    yield made
    made.close()


def job(number: int, *, queue: str = "q", timeout_ms: int | None = None) -> TakenJob:
    return TakenJob(queue, f"id-{number}", number, "name", b"{}", timeout_ms=timeout_ms)


def test_a_new_board_is_empty(board: Board) -> None:
    assert (board.entries(), board.running(), board.header, board.lease_holds()) == ([], [], {}, False)


def test_a_reader_sees_what_the_writer_marked(board: Board, tmp_path: Path) -> None:
    board.begin_batch([job(1, timeout_ms=500), job(2), job(3)])
    board.mark(0, Stage.SUCCEEDED, 70)
    board.mark(1, Stage.RUNNING, 80)
    reader = Board(tmp_path / "w.board")
    assert reader.entries() == [
        Entry("q", "id-1", 1, 500, "name", Stage.SUCCEEDED, 70),
        Entry("q", "id-2", 2, 0, "name", Stage.RUNNING, 80),
        Entry("q", "id-3", 3, 0, "name", Stage.HELD, 0),
    ]
    assert [entry.id for entry in reader.running()] == ["id-2"]
    reader.close()


def test_a_shorter_batch_leaves_nothing_of_the_longer_one_before(board: Board) -> None:
    board.begin_batch([job(n) for n in range(20)])
    for index in range(20):
        board.mark(index, Stage.RUNNING, 5)
    board.begin_batch([job(99)])
    assert [(entry.id, entry.stage) for entry in board.entries()] == [("id-99", Stage.HELD)]
    board.begin_batch([])
    assert board.entries() == []


def test_the_largest_batch_with_the_longest_names_fits(board: Board) -> None:
    longest = [TakenJob("q" * 128, f"{n:0>128}", 2**53, "n" * 128, b"", timeout_ms=10**12) for n in range(MAX_BATCH)]
    board.begin_batch(longest)
    for index in range(MAX_BATCH):
        board.mark(index, Stage.RUNNING, monotonic_ms())
    assert [(e.queue, e.id, e.attempt, e.timeout_ms, e.name) for e in board.running()] == [
        (job.queue, job.id, job.attempt, job.timeout_ms, job.name) for job in longest
    ]


def test_moments_of_the_far_future_fit_into_a_word(board: Board) -> None:
    board.begin_batch([job(1)])
    board.mark(0, Stage.RELEASED, 2**60)
    assert board.entries()[0].since_ms == 2**60
    assert board.entries()[0].stage is Stage.RELEASED


def test_a_batch_that_is_just_being_written_is_not_believed(board: Board) -> None:
    board.begin_batch([job(1)])
    board.set_word(Word.BATCH, board.word(Word.BATCH) + 1)
    assert board.entries() == []


#: Writes batch after batch; all jobs of one batch carry its number.
WRITER = """
import sys
from pathlib import Path
from jqjobs.board import Board, Stage
from jqjobs.job import TakenJob
board, number = Board(Path(sys.argv[1])), 0
while True:
    number += 1
    board.begin_batch([TakenJob(f"q{number}", f"id-{number}", number, "n" * (number % 100), b"")] * (number % 7 + 1))
    for index in range(number % 7 + 1):
        board.mark(index, Stage.RUNNING, number)
"""


def test_a_reader_never_sees_a_mixture_of_two_batches(board: Board) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(board.path)], env={"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        seen: set[int] = set()
        eventually(lambda: _looked(board, seen) > 300, 30, "the board was read many times")
    finally:
        writer.kill()
        writer.wait()


def _looked(board: Board, seen: set[int]) -> int:
    for _ in range(2000):
        entries = board.entries()
        if entries:
            [number] = {entry.attempt for entry in entries}
            if any(
                (entry.queue, entry.id, len(entry.name)) != (f"q{number}", f"id-{number}", number % 100)
                for entry in entries
            ):
                raise RuntimeError(f"mixed: {entries}")  # no AssertionError: that would count as "not yet"
            if len(entries) != number % 7 + 1 or not {entry.since_ms for entry in entries} <= {0, number}:
                raise RuntimeError(f"mixed: {entries}")
            seen.add(number)
    return len(seen)


@pytest.mark.parametrize(
    "torn", [b"q id-1 1", b"q id-1 x 0 name\n", b"q id-1 1 0 name too many\n", b"\xff\xfe\n", b"\n\n"]
)
def test_a_torn_line_ends_what_is_believed(board: Board, torn: bytes) -> None:
    board.begin_batch([job(1), job(2), job(3)])
    text_at = board._map.find(b"q id-2")
    rest = board._map[text_at : board._map.find(b"\0", text_at)]
    board._map[text_at : text_at + len(rest)] = torn.ljust(len(rest), b"?")[: len(rest)]
    assert [entry.id for entry in board.entries()] in (["id-1"], [])


def test_a_stage_that_nobody_knows_ends_what_is_believed(board: Board) -> None:
    board.begin_batch([job(1), job(2)])
    board._words[17] = 7
    assert [entry.id for entry in board.entries()] == ["id-1"]


def test_a_count_beyond_the_board_is_not_followed(board: Board) -> None:
    board.begin_batch([job(1)])
    board.set_word(Word.COUNT, 2**63)
    assert [entry.id for entry in board.entries()] == ["id-1"]


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


def test_what_is_cancelled_is_seen_by_both_sides(board: Board, tmp_path: Path) -> None:
    board.begin_batch([job(1), job(2)])
    other = Board(board.path)
    board.cancel("q", "id-2", 2, 77)
    assert [other.is_cancelled(index) for index in (0, 1)] == [False, True]
    assert [entry.cancelled_ms for entry in other.entries()] == [0, 77]
    other.close()


def test_cancelling_again_does_not_move_the_moment_of_the_first_time(board: Board) -> None:
    board.begin_batch([job(1)])
    board.cancel("q", "id-1", 1, 77)
    board.cancel("q", "id-1", 1, 99)
    assert board.entries()[0].cancelled_ms == 77


@pytest.mark.parametrize(("queue", "job_id", "attempt"), [("other", "id-1", 1), ("q", "id-2", 1), ("q", "id-1", 2)])
def test_a_job_that_the_batch_does_not_have_is_nobody(board: Board, queue: str, job_id: str, attempt: int) -> None:
    board.begin_batch([job(1)])
    board.cancel(queue, job_id, attempt, 77)
    assert not board.is_cancelled(0)


def test_a_cancel_says_nothing_of_the_next_batch(board: Board) -> None:
    board.begin_batch([job(1)])
    board.cancel("q", "id-1", 1, 77)
    board.begin_batch([job(1)])
    assert not board.is_cancelled(0)


def test_a_cancel_that_comes_too_late_for_its_batch_says_nothing_of_the_next_one(board: Board) -> None:
    """The daemon has read one batch, and the worker begins another before the daemon writes."""
    board.begin_batch([job(1)])
    before = board.word(Word.BATCH)
    read = board.entries

    def read_and_go_on() -> list[Entry]:
        found = read()
        board.begin_batch([job(2)])
        return found

    board.entries = read_and_go_on  # type: ignore[method-assign]
    board.cancel("q", "id-1", 1, 77)
    assert board.word(Word.BATCH) == before + 2
    assert not board.is_cancelled(0)


def test_the_last_job_of_the_largest_batch_can_be_cancelled(board: Board) -> None:
    board.begin_batch([job(n) for n in range(MAX_BATCH)])
    board.cancel("q", f"id-{MAX_BATCH - 1}", MAX_BATCH - 1, 2**44 - 1)
    assert [index for index in range(MAX_BATCH) if board.is_cancelled(index)] == [MAX_BATCH - 1]
    assert len(board.entries()) == MAX_BATCH, "the text of the batch is whole"
    assert board.entries()[-1].cancelled_ms == 2**44 - 1


def test_a_cancel_says_nothing_of_a_batch_whose_number_ends_in_the_same_bits(board: Board) -> None:
    board.begin_batch([job(1)])
    board.cancel("q", "id-1", 1, 77)
    board.set_word(Word.BATCH, board.word(Word.BATCH) + 2**20 - 2)
    board.begin_batch([job(1)])
    assert not board.is_cancelled(0)
