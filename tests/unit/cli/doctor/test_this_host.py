"""What the host on which jqctl runs knows: workers that work elsewhere, and the host of a Redis beside it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jqjobs.base.process import Identity, identity_of
from jqjobs.cli.doctor.this_host import redis_host, workers_elsewhere
from jqjobs.daemon.workers.runtime import folder_of
from jqjobs.link.board import Board
from jqjobs.store.address import Address, parse_url

HERE, THERE = parse_url("redis://h/0"), parse_url("redis://h/0?prefix=staging")


def leave_board(base: Path, address: Address, worker: Identity) -> None:
    folder = base / folder_of(address)
    folder.mkdir(exist_ok=True)
    board = Board.create(folder / f"{worker.pid}.board")
    board.write_header({"worker": worker.as_dict()})
    board.close()


def test_a_living_worker_with_another_prefix_is_counted(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": str(tmp_path)}
    assert workers_elsewhere(HERE, environ) == 0
    leave_board(tmp_path, THERE, identity_of(os.getpid()))
    (tmp_path / folder_of(THERE) / "x.board").write_bytes(b"no board at all")
    assert workers_elsewhere(HERE, environ) == 1
    assert workers_elsewhere(THERE, environ) == 0


@pytest.mark.parametrize("dead", [identity_of(2**22), replace(identity_of(os.getpid()), started=1)])
def test_a_dead_one_is_not_though_another_process_may_have_its_number(tmp_path: Path, dead: Identity) -> None:
    leave_board(tmp_path, THERE, dead)
    assert workers_elsewhere(HERE, {"RUNTIME_DIRECTORY": str(tmp_path)}) == 0


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A host with a Redis as process 7, which may use huge pages, and something else as process 1."""
    files = {
        "proc/7/comm": "redis-server\n", "proc/7/status": "THP_enabled:\t1\n", "proc/1/comm": "init\n",
        "proc/sys/vm/overcommit_memory": "0\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "proc"


def test_a_redis_beside_us_is_looked_at(proc: Path) -> None:
    assert redis_host({"process_id": "7"}, proc) == (0, True)
    (proc / "7/status").write_text("THP_enabled:\t0\n")
    assert redis_host({"process_id": "7"}, proc) == (0, False)


@pytest.mark.parametrize("pid", ["1", "99", ""])
def test_a_process_that_is_no_redis_is_not(proc: Path, pid: str) -> None:
    assert redis_host({"process_id": pid} if pid else {}, proc) == (None, None)
