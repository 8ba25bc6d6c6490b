"""Which boards are orphans: worker and daemon proven dead, both of them."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jqjobs.board import Board, Entry, Stage
from jqjobs.daemon.orphans import board_entries, find_orphans
from jqjobs.process import identity_of
from jqjobs.store.calls import BoardEntry

ALIVE = identity_of(os.getpid())
DEAD = replace(ALIVE, boot_id="an earlier boot")
ELSEWHERE = replace(DEAD, host="another host")


def make(directory: Path, name: str, **header: Any) -> Path:
    board = Board.create(directory / f"{name}.board")
    if header:
        board.write_header(header)
    board.close()
    return board.path


def found(directory: Path) -> list[tuple[str, tuple[str, ...]]]:
    orphans = find_orphans(directory)
    for orphan in orphans:
        orphan.board.close()
    return [(orphan.worker_id, orphan.queues) for orphan in orphans]


def test_a_dead_worker_of_a_dead_daemon_is_an_orphan(tmp_path: Path) -> None:
    make(tmp_path, "w1", worker_id="w1", worker=DEAD.as_dict(), daemon=DEAD.as_dict(), queues=["a", "b"])
    make(tmp_path, "w2", worker_id="w2", worker=DEAD.as_dict(), daemon=DEAD.as_dict(), queues=[])
    assert found(tmp_path) == [("w1", ("a", "b")), ("w2", ())]


@pytest.mark.parametrize(("worker", "daemon"), [(DEAD, ALIVE), (ALIVE, DEAD), (ALIVE, ALIVE), (ELSEWHERE, ELSEWHERE)])
def test_who_may_be_alive_is_left_alone(tmp_path: Path, worker: Any, daemon: Any) -> None:
    path = make(tmp_path, "w", worker_id="w", worker=worker.as_dict(), daemon=daemon.as_dict(), queues=["a"])
    assert found(tmp_path) == []
    assert path.exists()


@pytest.mark.parametrize(
    "who", [None, {}, {"pid": 1}, {**DEAD.as_dict(), "new": "field"}, "text", 5, []], ids=lambda who: type(who).__name__
)
def test_a_board_that_does_not_say_who_it_is_proves_nothing(tmp_path: Path, who: Any) -> None:
    path = make(tmp_path, "w", worker_id="w", worker=who, daemon=DEAD.as_dict(), queues=["a"])
    assert found(tmp_path) == []
    assert path.exists()


def test_a_board_without_a_header_is_removed_when_it_is_old(tmp_path: Path) -> None:
    young, old = make(tmp_path, "young"), make(tmp_path, "old")
    an_age_ago = time.time() - 4000
    os.utime(old, (an_age_ago, an_age_ago))
    assert found(tmp_path) == []
    assert (young.exists(), old.exists()) == (True, False)


def test_other_files_do_not_disturb(tmp_path: Path) -> None:
    (tmp_path / "empty.board").touch()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "directory.board").mkdir()
    (tmp_path / "dangling.board").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path) == []
    assert found(tmp_path / "missing") == []


def test_only_what_was_begun_in_a_queue_is_told_to_redis() -> None:
    def entry(number: int, stage: Stage, queue: str = "q") -> Entry:
        return Entry(queue, f"id-{number}", number, 0, "name", stage, 5)

    stages = [Stage.HELD, Stage.RUNNING, Stage.SUCCEEDED, Stage.FAILED, Stage.RELEASED, Stage.WAITING]
    entries = [entry(number, stage) for number, stage in enumerate(stages)] + [entry(9, Stage.RUNNING, "other")]
    assert board_entries(entries, "q") == [
        BoardEntry("id-1", 1, "running"), BoardEntry("id-2", 2, "succeeded"), BoardEntry("id-3", 3, "failed"),
        BoardEntry("id-5", 5, "waiting 5"),
    ]  # fmt: skip
