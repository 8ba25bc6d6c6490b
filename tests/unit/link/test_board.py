"""The board as the daemon sees it: made, read, torn, or of somebody else, it never says what is not so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jqjobs.link.board import Board, Entry
from jqjobs.link.board_layout import Stage
from jqjobs.link.stacks import stacks_path
from unit.link.boards import job, worker_side


def test_a_new_board_is_empty(board: Board) -> None:
    assert (board.entries(), board.running(), board.header) == ([], [], {})
    assert not worker_side(board).lease_holds()


def test_a_reader_sees_what_the_writer_marked(board: Board, tmp_path: Path) -> None:
    first, second, _ = board_jobs = [job(1, timeout_ms=500), job(2), job(3)]
    worker = worker_side(board)
    worker.add(board_jobs)
    worker.mark(first.place, Stage.SUCCEEDED, 70)
    worker.mark(second.place, Stage.RUNNING, 80)
    reader = Board(tmp_path / "w.board")
    assert reader.entries() == [
        Entry("q", "id-1", 1, 500, "name", Stage.SUCCEEDED, 70),
        Entry("q", "id-2", 2, 0, "name", Stage.RUNNING, 80),
        Entry("q", "id-3", 3, 0, "name", Stage.IN_HAND, 3),
    ]
    assert [entry.id for entry in reader.running()] == ["id-2"]
    reader.close()


def test_a_file_that_cannot_be_removed_stays_and_the_other_one_goes(tmp_path: Path) -> None:
    board = Board.create(tmp_path / "w.board")
    board.path.unlink()
    board.path.mkdir()
    stacks_path(board.path).touch()
    board.remove()
    assert list(tmp_path.iterdir()) == [board.path]


def test_the_header_says_who_it_is(board: Board) -> None:
    about = {"worker_id": "w", "queues": ["q" * 128] * 32, "worker": {"pid": 1}}
    board.write_header(about)
    assert board.header == about
    board.write_header({})
    assert board.header == {}
    with pytest.raises(ValueError, match="too long"):
        board.write_header({"x": "y" * 9000})


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xff", b"5", b'{"a": "\xc3'])
def test_a_damaged_header_is_an_empty_one(board: Board, raw: bytes) -> None:
    board._content[8 : 8 + len(raw)] = raw
    assert board.header == {}


@pytest.mark.parametrize("content", [b"", b"jqboard2", b"x" * 240_384, b"\0" * 500_000], ids=len)
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
