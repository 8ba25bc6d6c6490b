"""Stacks of a process from outside, and what the time limit does with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.workers.time_limits import enforce_time_limits
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage
from jqjobs.link.stacks import DUMP_SIGNAL, clear_stacks, read_stacks, stacks_path
from unit.link.boards import mark_all, run_only
from waiting import eventually

#: A process with a dozen deep threads beside its main thread, which sleeps, or never gives the GIL up again.
PROGRAM = """
import itertools, sys, threading, time
from pathlib import Path
from jqjobs.link.stacks import Stacks
from unit.link.boards import mark_all, run_only

stacks = Stacks(Path(sys.argv[1]))

def sunk(depth):
    return threading.Event().wait() if depth == 0 else sunk(depth - 1)

def sleeping_job():
    print("up", flush=True)
    time.sleep(600)

def greedy_job():
    print("up", flush=True)
    all(itertools.repeat(True))

if sys.argv[2] == "sleeping_job":
    for _ in range(12):
        threading.Thread(target=sunk, args=(80,), daemon=True).start()
globals()[sys.argv[2]]()
"""


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Where a worker's board would be; only its name is used."""
    return tmp_path / "host.example:1:ab.board"


def start(board: Path, job: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(board), job],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.parametrize("job", ["sleeping_job", "greedy_job"])
def test_stacks_name_the_function_also_with_the_gil_held(board: Path, job: str) -> None:
    process = start(board, job)
    process.send_signal(DUMP_SIGNAL)
    eventually(lambda: f"in {job}" in read_stacks(board), what="the function is named")
    assert process.poll() is None
    end(process)


def test_the_main_thread_comes_first_and_is_not_cut_off(board: Path) -> None:
    process = start(board, "sleeping_job")
    process.send_signal(DUMP_SIGNAL)
    eventually(lambda: "in sleeping_job" in stacks_path(board).read_text(), what="all is written")
    assert stacks_path(board).stat().st_size > 16 * 1024, "or nothing would be cut off"
    text = read_stacks(board)
    assert text.startswith("Current thread")
    assert "in sleeping_job" in text.split("\n\n")[0]
    assert len(text) == 16 * 1024
    end(process)


def test_new_stacks_take_the_place_of_old_ones(board: Path) -> None:
    process = start(board, "greedy_job")
    for _ in range(2):
        clear_stacks(board)
        assert read_stacks(board) == ""
        process.send_signal(DUMP_SIGNAL)
        eventually(lambda: "in greedy_job" in read_stacks(board), what="the function is named")
    assert read_stacks(board).count("Current thread") == 1
    end(process)


def test_who_never_wrote_stacks_has_none(board: Path) -> None:
    clear_stacks(board)
    assert read_stacks(board) == ""


def test_they_go_with_the_board(board: Path) -> None:
    made = Board.create(board)
    stacks_path(board).write_text("File x")
    made.remove()
    assert not list(board.parent.iterdir())


class Worker:
    """A worker that notes its signals and answers a request for stacks with ``says``."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.killed_for = self.stacks = ""
        self.stacks_asked_s: float | None = None
        self.signals: list[signal.Signals] = []
        self.says = "Current thread 0x1:\n  File jobs.py in the_job"
        self.on_stop: Any = lambda: None

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)
        if number is signal.SIGSTOP:
            self.on_stop()

    def ask_for_stacks(self) -> None:
        self.stacks_asked_s = clock.now_s
        self.send(DUMP_SIGNAL)
        stacks_path(self.board.path).write_text(self.says)


class _Clock:
    now_s = 5000.0

    def __call__(self) -> float:
        return self.now_s


clock = _Clock()


@pytest.fixture
def worker(board: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr("jqjobs.daemon.workers.time_limits.time.monotonic", clock)
    made = Board.create(board)
    yield Worker(made)
    made.close()


def run(worker: Worker, *, for_ms: int, attempt: int = 1) -> None:
    """Have the worker run a job with a limit of 1 s."""
    job = TakenJob("q", "id", attempt, "name", b"", timeout_ms=1000)
    run_only(worker.board, job, max(0, monotonic_ms() - for_ms))


def turn(worker: Worker, *, after_s: float = 0.0) -> None:
    """Let the main loop turn once."""
    clock.now_s += after_s
    enforce_time_limits([worker], kill_after_s=5)  # type: ignore[list-item]


def test_stacks_are_asked_for_first_and_the_kill_comes_a_moment_later(worker: Worker) -> None:
    run(worker, for_ms=7000)
    turn(worker)
    turn(worker, after_s=0.1)
    assert worker.signals == [DUMP_SIGNAL]
    turn(worker, after_s=0.3)
    turn(worker, after_s=1)
    assert worker.signals == [DUMP_SIGNAL, signal.SIGSTOP, signal.SIGKILL]
    assert "time limit of 1 s" in worker.killed_for
    assert worker.stacks == worker.says


def test_who_ends_while_its_stacks_are_written_is_left_alone_and_asked_anew_next_time(worker: Worker) -> None:
    run(worker, for_ms=7000)
    turn(worker)
    mark_all(worker.board, Stage.SUCCEEDED, monotonic_ms())
    turn(worker, after_s=1)
    run(worker, for_ms=7000, attempt=2)
    turn(worker, after_s=1)
    assert worker.signals == [DUMP_SIGNAL, DUMP_SIGNAL]


def test_stacks_that_somebody_asked_for_earlier_are_not_taken_for_those_of_the_hung_job(worker: Worker) -> None:
    run(worker, for_ms=0)
    worker.says = "another_job"
    worker.ask_for_stacks()  # USR1
    turn(worker)
    worker.says = "the_job"
    run(worker, for_ms=7000)
    for _ in range(3):
        turn(worker, after_s=1)
    assert worker.stacks == "the_job"


@pytest.mark.parametrize("attempt", [1, 2])
def test_who_goes_on_between_the_two_looks_is_let_go(worker: Worker, attempt: int) -> None:
    run(worker, for_ms=7000)

    def go_on() -> None:
        if attempt == 1:
            mark_all(worker.board, Stage.SUCCEEDED, monotonic_ms())
        else:
            run(worker, for_ms=9000, attempt=2)

    worker.on_stop = go_on
    turn(worker)
    turn(worker, after_s=1)
    assert worker.signals == [DUMP_SIGNAL, signal.SIGSTOP, signal.SIGCONT]
    assert (worker.killed_for, worker.stacks) == ("", "")
