"""The hard time limit: stop the worker, look again, kill it or let it go on. Its stacks: see test_stacks.py."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.workers.time_limits import enforce_time_limits
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage
from unit.link.boards import mark_all, run_only


class Worker:
    """A worker process that only notes its signals; `on_stop` is what happens between the two looks."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.killed_for = self.killed_as = self.stacks = ""
        self.stacks_asked_s: float | None = 0.0  # long ago: the stacks are written
        self.signals: list[signal.Signals] = []
        self.on_stop: Any = lambda: None

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)
        if number is signal.SIGSTOP:
            self.on_stop()


@pytest.fixture
def worker(tmp_path: Path) -> Any:
    board = Board.create(tmp_path / "w.board")
    yield Worker(board)
    board.close()


def run(worker: Worker, *, timeout_ms: int | None, for_ms: int, attempt: int = 1) -> None:
    job = TakenJob("q", "id", attempt, "name", b"", timeout_ms=timeout_ms)
    run_only(worker.board, job, max(0, monotonic_ms() - for_ms))


def test_a_job_far_past_its_limit_takes_its_worker_down(worker: Worker) -> None:
    run(worker, timeout_ms=1000, for_ms=7000)
    enforce_time_limits([worker], kill_after_s=5)  # type: ignore[list-item]
    assert worker.signals == [signal.SIGSTOP, signal.SIGKILL]
    assert (worker.killed_as, "time limit of 1 s" in worker.killed_for) == ("hung", True)
    enforce_time_limits([worker], kill_after_s=5)  # type: ignore[list-item]
    assert len(worker.signals) == 2, "once is enough"


@pytest.mark.parametrize(("timeout_ms", "for_ms"), [(None, 10_000), (0, 10_000), (1000, 500), (1000, 5000)])
def test_who_is_within_its_limit_or_has_none_is_left_alone(worker: Worker, timeout_ms: int | None, for_ms: int) -> None:
    run(worker, timeout_ms=timeout_ms, for_ms=for_ms)
    enforce_time_limits([worker], kill_after_s=5)  # type: ignore[list-item]
    assert worker.signals == []


@pytest.mark.parametrize("stage", [Stage.IN_HAND, Stage.SUCCEEDED, Stage.FAILED, Stage.RELEASED])
def test_only_a_running_job_has_a_limit(worker: Worker, stage: Stage) -> None:
    run(worker, timeout_ms=1, for_ms=0)
    mark_all(worker.board, stage, 1)
    enforce_time_limits([worker], kill_after_s=0)  # type: ignore[list-item]
    assert worker.signals == []


@pytest.mark.parametrize(("asked_ms", "signals"), [(6000, [signal.SIGSTOP, signal.SIGKILL]), (1000, [])])
def test_a_job_that_does_not_heed_its_cancel_takes_its_worker_down(
    worker: Worker, asked_ms: int, signals: list[signal.Signals]
) -> None:
    run(worker, timeout_ms=None, for_ms=60_000)
    worker.board.cancel("q", "id", 1, monotonic_ms() - asked_ms)
    enforce_time_limits([worker], kill_after_s=5)  # type: ignore[list-item]
    assert worker.signals == signals
    assert worker.killed_as == ("cancelled" if signals else "")


def test_a_cancelled_job_that_does_not_run_any_more_is_no_reason_to_kill(worker: Worker) -> None:
    run(worker, timeout_ms=None, for_ms=60_000)
    worker.board.cancel("q", "id", 1, 1)
    mark_all(worker.board, Stage.FAILED, monotonic_ms())
    enforce_time_limits([worker], kill_after_s=0)  # type: ignore[list-item]
    assert worker.signals == []


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_worker_that_went_on_to_something_else_meanwhile_is_let_go(worker: Worker, attempt: int) -> None:
    run(worker, timeout_ms=1000, for_ms=7000, attempt=1)

    def went_on() -> None:
        if attempt == 1:
            mark_all(worker.board, Stage.SUCCEEDED, monotonic_ms())
        else:
            run(worker, timeout_ms=1000, for_ms=9000, attempt=2)

    worker.on_stop = went_on
    enforce_time_limits([worker], kill_after_s=5)  # type: ignore[list-item]
    assert worker.signals == [signal.SIGSTOP, signal.SIGCONT]
    assert worker.killed_for == ""
