"""Which boards are orphans: worker and daemon proven dead, both of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.base.process import Identity, identity_of
from jqjobs.daemon.leases.orphans import Orphan, find_orphans
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Word
from waiting import eventually

ALIVE = identity_of(os.getpid())
DEAD = replace(ALIVE, boot_id="an earlier boot")
ELSEWHERE = replace(DEAD, host="another host")


def make(directory: Path, name: str, **header: Any) -> Path:
    board = Board.create(directory / f"{name}.board")
    if header:
        board.write_header(header)
    board.close()
    return board.path


def found(directory: Path, our_id: str = "") -> list[list[tuple[str, tuple[str, ...]]]]:
    groups = find_orphans(directory, our_id)
    for orphan in chain(*groups):
        orphan.board.close()
    return [[(orphan.worker_id, orphan.queues) for orphan in group] for group in groups]


def test_dead_workers_of_a_dead_daemon_are_orphans_together(tmp_path: Path) -> None:
    for name, daemon in (("w1", "x"), ("w2", "y"), ("w3", "x")):
        make(tmp_path, name, worker_id=name, worker=DEAD.as_dict(), daemon=DEAD.as_dict(), daemon_id=daemon, queues=[])
    assert found(tmp_path) == [[("w1", ()), ("w3", ())], [("w2", ())]]


def test_one_that_has_not_died_yet_holds_up_those_of_its_daemon(tmp_path: Path) -> None:
    for name, worker, daemon in (("w1", DEAD, "x"), ("w2", ALIVE, "x"), ("w3", DEAD, "y")):
        about = {"worker": worker.as_dict(), "daemon": DEAD.as_dict(), "daemon_id": daemon, "queues": ["a"]}
        make(tmp_path, name, worker_id=name, **about)
    assert found(tmp_path) == [[("w3", ("a",))]]


@pytest.mark.parametrize(("worker", "daemon"), [(DEAD, ALIVE), (ALIVE, DEAD), (ALIVE, ALIVE), (ELSEWHERE, ELSEWHERE)])
def test_who_may_be_alive_is_left_alone(tmp_path: Path, worker: Any, daemon: Any) -> None:
    path = make(tmp_path, "w", worker_id="w", worker=worker.as_dict(), daemon=daemon.as_dict(), queues=["a"])
    assert found(tmp_path) == []
    assert path.exists()


def test_what_we_left_before_we_were_executed_anew_is_an_orphan(tmp_path: Path) -> None:
    make(tmp_path, "w1", worker_id="w1", worker=DEAD.as_dict(), daemon=ALIVE.as_dict(), daemon_id="old", queues=["a"])
    make(tmp_path, "w2", worker_id="w2", worker=DEAD.as_dict(), daemon=ALIVE.as_dict(), daemon_id="new", queues=["a"])
    assert found(tmp_path, "new") == [[("w1", ("a",))]]


@pytest.mark.parametrize(
    "who", [None, {}, {"pid": 1}, {**DEAD.as_dict(), "new": "field"}, "text", 5, []], ids=lambda who: type(who).__name__
)
def test_a_board_that_does_not_say_who_it_is_proves_nothing(tmp_path: Path, who: Any) -> None:
    path = make(tmp_path, "w", worker_id="w", worker=who, daemon=DEAD.as_dict(), queues=["a"])
    assert found(tmp_path) == []
    assert path.exists()


def test_the_board_of_a_worker_that_never_began_goes_with_its_daemon(tmp_path: Path) -> None:
    left = make(tmp_path, "w1", worker_id="w1", daemon=DEAD.as_dict(), daemon_id="old", is_starting=True)
    fresh = make(tmp_path, "w2", worker_id="w2", daemon=ALIVE.as_dict(), daemon_id="new", is_starting=True)
    assert find_orphans(tmp_path, "new") == []
    assert (left.exists(), fresh.exists()) == (False, True)


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


@dataclass
class Left:
    """A dead worker, and what one of its jobs has left in its group."""

    worker: Identity
    process: subprocess.Popen[bytes]
    orphan: Orphan

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Left]:
    leader = subprocess.Popen(["sleep", "300"], process_group=0)
    process = subprocess.Popen(["sleep", "300"], process_group=leader.pid)
    worker = identity_of(leader.pid)
    leader.kill()
    leader.wait()
    make(tmp_path, "w", worker_id="w", worker=worker.as_dict(), daemon=replace(worker, started=1).as_dict(), queues=[])
    [[orphan]] = find_orphans(tmp_path)
    yield Left(worker, process, orphan)
    orphan.board.close()
    process.kill()
    process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("sign_of_life", [Word.LEASE_UNTIL, Word.TICK])
def test_what_an_orphans_jobs_have_left_is_killed_if_it_is_as_old_as_a_sign_of_its_life(
    left: Left, sign_of_life: Word
) -> None:
    assert not left.orphan.kill_descendants(), "nothing shows that it lived when this process began"
    assert left.is_running
    left.orphan.board.set_word(sign_of_life, monotonic_ms())
    assert left.orphan.kill_descendants()
    eventually(lambda: not left.is_running, what="it was killed")
