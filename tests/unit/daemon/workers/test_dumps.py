"""Stacks: which workers are asked for them, and when they are in the log, or with whoever wanted them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.daemon.workers.dumps import Dumps
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.stacks import stacks_path
from log_lines import Lines
from unit.link.boards import run_only


class Worker:
    """A worker that writes its stacks at once when asked."""

    def __init__(self, board: Board, state: str) -> None:
        self.id, self.pid, self.board, self.state = board.path.stem, 7, board, state
        self.asked = 0

    def ask_for_stacks(self) -> None:
        self.asked += 1
        stacks_path(self.board.path).write_text(f"Current thread 0x1:\n  in {self.id}\n\nThread 0x2:\n  in other\n")


class Moment:
    now_s = 5000.0


@pytest.fixture
def logged(logged: Lines, monkeypatch: pytest.MonkeyPatch) -> Lines:
    """The lines that were logged; and a clock that stands still."""
    monkeypatch.setattr("jqjobs.daemon.workers.dumps.time.monotonic", lambda: Moment.now_s)
    return logged


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    boards = [Board.create(tmp_path / f"w{n}.board") for n in range(3)]
    yield [Worker(board, state) for board, state in zip(boards, ["ready", "stopping", "starting"], strict=True)]
    for board in boards:
        board.close()


def test_who_is_up_is_asked_and_who_boots_is_not_as_the_signal_would_kill_it(
    workers: list[Worker], logged: Lines
) -> None:
    Dumps(workers).ask()  # type: ignore[arg-type]
    assert [worker.asked for worker in workers] == [1, 1, 0]


def test_the_stacks_are_logged_once_a_moment_later_with_the_job(workers: list[Worker], logged: Lines) -> None:
    run_only(workers[0].board, TakenJob("q", "id", 1, "name", b""))
    dumps = Dumps(workers)  # type: ignore[arg-type]
    dumps.ask()
    dumps.show()
    assert logged == [], "it takes workers a moment to write"
    for _ in range(2):
        Moment.now_s += 0.5
        dumps.show()
    own = [line for line in logged if line["worker"] == "w0"]
    assert [line["at"] for line in own] == ["Current thread 0x1:", "  in w0", "Thread 0x2:", "  in other"]
    assert {line["jobs"] for line in own} == {"q/id"}
    assert len(logged) == 8, "two workers, each once"


def test_unasked_nothing_is_shown(workers: list[Worker], logged: Lines) -> None:
    stacks_path(workers[0].board.path).write_text("old")
    Dumps(workers).show()  # type: ignore[arg-type]
    assert logged == []


def test_a_reader_gets_the_stacks_of_all_workers_and_the_log_does_not(workers: list[Worker], logged: Lines) -> None:
    run_only(workers[0].board, TakenJob("q", "id", 1, "name", b""))
    got: list[list[dict[str, object]]] = []
    dumps = Dumps(workers)  # type: ignore[arg-type]
    dumps.ask(got.append)
    Moment.now_s += 0.5
    dumps.show()
    [stacks] = got
    assert [(found["worker"], found["jobs"]) for found in stacks] == [("w0", ["q/id"]), ("w1", []), ("w2", [])]
    assert "in w0" in str(stacks[0]["text"])
    assert stacks[2]["text"] == "", "it still boots"
    assert logged == []


def test_all_who_ask_in_the_meantime_get_the_same_and_nobody_makes_it_later(
    workers: list[Worker], logged: Lines
) -> None:
    got: list[int] = []
    dumps = Dumps(workers)  # type: ignore[arg-type]
    for _ in range(10):  # USR1 ten times a second
        dumps.ask(lambda stacks: got.append(len(stacks)))
        Moment.now_s += 0.1
        dumps.show()
    dumps.ask()
    assert len(got) >= 8
    assert workers[0].asked < 5, "what is being written is not emptied by asking again"
    Moment.now_s += 0.5
    dumps.show()
    assert len(got) == 10
    assert {line["worker"] for line in logged} == {"w0", "w1"}, "the log was asked for too"


def test_a_worker_that_is_gone_by_then_is_left_out(workers: list[Worker], logged: Lines) -> None:
    got: list[list[dict[str, object]]] = []
    dumps = Dumps(workers)  # type: ignore[arg-type]
    dumps.ask(got.append)
    del workers[0]
    stacks_path(workers[0].board.path).unlink()
    Moment.now_s += 0.5
    dumps.show()
    assert [(found["worker"], found["text"]) for found in got[0]] == [("w1", ""), ("w2", "")]
