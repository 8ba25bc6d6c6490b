"""What a worker does to its board, for tests of those who only read it."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage
from jqjobs.link.worker_board import WorkerBoard

_WORKER_SIDES: WeakKeyDictionary[Board, WorkerBoard] = WeakKeyDictionary()


def worker_side(board: Board) -> WorkerBoard:
    """Return the side on which the board's worker writes, always the same one."""
    if board not in _WORKER_SIDES:
        _WORKER_SIDES[board] = WorkerBoard(board.path)
    return _WORKER_SIDES[board]


def job(number: int, *, queue: str = "q", timeout_ms: int | None = None) -> TakenJob:
    """Return a job whose id and attempt have a number in common."""
    return TakenJob(queue, f"id-{number}", number, "name", b"{}", timeout_ms=timeout_ms)


def in_hand(board: Board, *numbers: int, **fields: Any) -> list[TakenJob]:
    """Have the worker take jobs; return them."""
    jobs = [job(number, **fields) for number in numbers]
    worker_side(board).add(jobs)
    return jobs


def run_only(board: Board, job: TakenJob, since_ms: int = 1) -> TakenJob:
    """Have the worker run this job, and have nothing else in its hands; return the job."""
    side = worker_side(board)
    for entry in board.entries():
        side.free([entry.place])
    side.add([job])
    side.mark(job.place, Stage.RUNNING, since_ms)
    return job


def mark_all(board: Board, stage: Stage, now_ms: int = 2) -> None:
    """Have all that the worker has come to one stage."""
    for entry in board.entries():
        worker_side(board).mark(entry.place, stage, now_ms)
