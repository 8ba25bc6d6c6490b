"""Fixtures of the unit tests: an app, workers without processes, a board and a batch, a clock."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs import App
from jqjobs.base.clock import monotonic_ms
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Word
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.worker.trips.batch import Batch
from unit.daemon.fake_workers import Clock, FakeWorkers
from unit.link.boards import worker_side


@pytest.fixture
def app() -> App:
    """An app whose Redis is not there: whoever connects fails."""
    return App(redis_url="redis://127.0.0.1:1")


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWorkers]:
    """Workers of a daemon that starts no processes."""
    made = FakeWorkers(tmp_path)
    monkeypatch.setattr("jqjobs.daemon.workers.worker_processes.spawn", made.spawn)
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The monotonic clock, standing still; not for tests that wait for something."""
    stopped = Clock()
    monkeypatch.setattr("time.monotonic", stopped)
    return stopped


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """A worker's board, under a lease that holds."""
    made = Board.create(tmp_path / "w.board")
    made.set_word(Word.LEASE_UNTIL, monotonic_ms() + 3_600_000)
    yield made
    made.close()


@pytest.fixture
def worker_board(board: Board) -> WorkerBoard:
    """The side of that board on which its worker writes."""
    return worker_side(board)


@pytest.fixture
def batch(worker_board: WorkerBoard) -> Batch:
    return Batch(worker_board)


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns as often as they can, so that what can come in between does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
