"""USR1: who is asked for stacks, and when they are in the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.board import Board, Stage
from jqjobs.daemon.dumps import Dumps
from jqjobs.job import TakenJob
from jqjobs.stacks import stacks_path


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
def logged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The lines that were logged; and a clock that stands still."""
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr("jqjobs.daemon.dumps.log.event", lambda name, **fields: lines.append({"event": name, **fields}))
    monkeypatch.setattr("jqjobs.daemon.dumps.time.monotonic", lambda: Moment.now_s)
    return lines


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[list[Worker]]:
    boards = [Board.create(tmp_path / f"w{n}.board") for n in range(3)]
    yield [Worker(board, state) for board, state in zip(boards, ["ready", "stopping", "starting"], strict=True)]
    for board in boards:
        board.close()


def test_who_is_up_is_asked_and_who_boots_is_not_as_the_signal_would_kill_it(
    crew: list[Worker], logged: list[dict[str, Any]]
) -> None:
    Dumps(crew).ask()  # type: ignore[arg-type]
    assert [worker.asked for worker in crew] == [1, 1, 0]


def test_the_stacks_are_logged_once_a_moment_later_with_the_job(
    crew: list[Worker], logged: list[dict[str, Any]]
) -> None:
    crew[0].board.begin_batch([TakenJob("q", "id", 1, "name", b"")])
    crew[0].board.mark(0, Stage.RUNNING, 1)
    dumps = Dumps(crew)  # type: ignore[arg-type]
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


def test_unasked_nothing_is_shown(crew: list[Worker], logged: list[dict[str, Any]]) -> None:
    stacks_path(crew[0].board.path).write_text("old")
    Dumps(crew).show()  # type: ignore[arg-type]
    assert logged == []
