"""The board, read while it is written, or damaged: what a reader says was so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage
from unit.link.boards import in_hand
from waiting import eventually

# Read while it is written

#: Takes and frees jobs all the time; all of one job carries its number. Only a few places are in use, over and over.
WRITER = """
import sys
from collections import deque
from pathlib import Path
from jqjobs.link.board_layout import Stage
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.jobs.taken_job import TakenJob
board, number = WorkerBoard(Path(sys.argv[1])), 0
board._free = deque(range(5))
while True:
    jobs = []
    for _ in range(number % 4 + 1):
        number += 1
        jobs.append(TakenJob(f"q{number}", f"id-{number}", number, "n" * (number % 100 + 1), b""))
    board.add(jobs)
    for job in jobs:
        board.mark(job.place, Stage.RUNNING, job.attempt)
    for job in jobs:
        board.free([job.place])
"""


def test_a_reader_never_sees_a_mixture_of_two_jobs_of_one_place(board: Board) -> None:
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
        for entry in board.entries():
            number = entry.attempt
            expected = (f"q{number}", f"id-{number}", number % 100 + 1)
            since = number if entry.stage is Stage.RUNNING else entry.serial
            if (entry.queue, entry.id, len(entry.name)) != expected or entry.since_ms != since:
                raise RuntimeError(f"mixed: {entry}")  # no AssertionError: that would count as "not yet"
            seen.add(number)
    return len(seen)


@pytest.mark.parametrize(
    "torn", [b"2 q id-2 2", b"2 q id-2 x 0 name\n", b"2 q id-2 2 0 name too many\n", b"\xff\xfe\n", b"\n\n"]
)
def test_a_damaged_line_is_not_believed_and_costs_no_other(board: Board, torn: bytes) -> None:
    in_hand(board, 1, 2, 3)
    text_at = bytes(board._content).find(b"2 q id-2")
    board._content[text_at : text_at + 448] = torn.ljust(448, b"?")
    assert [entry.id for entry in board.entries()] == ["id-1", "id-3"]


def test_a_stage_that_nobody_knows_is_not_believed(board: Board) -> None:
    _, second = in_hand(board, 1, 2)
    board._words[16 + second.place] = 7
    assert [entry.id for entry in board.entries()] == ["id-1"]
