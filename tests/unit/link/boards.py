"""What a worker does to its board, for tests of those who only read it."""

from __future__ import annotations

from typing import Any

from jqjobs.jobs.records import TakenJob
from jqjobs.link.board import Board, Stage


def job(number: int, *, queue: str = "q", timeout_ms: int | None = None) -> TakenJob:
    """Return a job whose id and attempt have a number in common."""
    return TakenJob(queue, f"id-{number}", number, "name", b"{}", timeout_ms=timeout_ms)


def held(board: Board, *numbers: int, **fields: Any) -> list[TakenJob]:
    """Have the worker hold jobs; return them."""
    jobs = [job(number, **fields) for number in numbers]
    board.hold(jobs)
    return jobs


def run_only(board: Board, job: TakenJob, since_ms: int = 1) -> TakenJob:
    """Have the worker run this job, and have nothing else in its hands; return the job."""
    for entry in board.entries():
        board.free(entry.place)
    board.hold([job])
    board.mark(job.place, Stage.RUNNING, since_ms)
    return job


def mark_all(board: Board, stage: Stage, now_ms: int = 2) -> None:
    """Have all that the worker has come to one stage."""
    for entry in board.entries():
        board.mark(entry.place, stage, now_ms)
