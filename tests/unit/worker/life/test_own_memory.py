"""Before a worker takes jobs: is it still as large as it may be?"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.link.board import Board
from jqjobs.link.board_layout import Word
from jqjobs.link.channel import Channel
from jqjobs.worker.life import own_memory
from jqjobs.worker.life.own_memory import OwnMemory
from unit.link.boards import worker_side

MIB = 1 << 20


class SizedWorker:
    """A worker's side of board and control socket; its own size and the clock are what the test says."""

    def __init__(self, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
        self.board = board
        ours, theirs = socket.socketpair()
        self.daemon, self.channel = Channel(ours), Channel(theirs)
        self.rss_mib, self.after_trim_mib = 40.0, None
        self.trims: list[float] = []
        self.now_ms = 1_000_000
        monkeypatch.setattr(OwnMemory, "_rss_bytes", lambda _: int(self.rss_mib * MIB))
        monkeypatch.setattr(own_memory, "_malloc_trim", lambda: self.trim)
        monkeypatch.setattr(own_memory, "monotonic_ms", lambda: self.now_ms)
        self.own_memory = OwnMemory(worker_side(board), self.channel)

    def trim(self, pad: int) -> None:
        """Do as malloc_trim(3): afterwards the worker is as large as ``after_trim_mib`` says, if that is smaller."""
        assert pad == 0
        self.trims.append(self.rss_mib)
        self.rss_mib = min(self.rss_mib, self.after_trim_mib or self.rss_mib)

    def may_take(self, rss_mib: float, allowance_mib: float | None = None) -> bool:
        self.rss_mib = rss_mib
        if allowance_mib is not None:
            self.board.set_word(Word.ALLOWANCE, int(allowance_mib * MIB))
        return self.own_memory.may_take()

    def asked(self) -> list[dict[str, Any]]:
        """What the daemon has heard since it was last looked at."""
        return self.daemon.receive()

    def close(self) -> None:
        self.board.close()
        self.daemon.close()
        self.channel.close()


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SizedWorker]:
    made = SizedWorker(Board.create(tmp_path / "w.board"), monkeypatch)
    yield made
    made.close()


def test_as_long_as_nobody_has_measured_a_worker_of_any_size_takes_jobs(worker: SizedWorker) -> None:
    assert worker.may_take(50_000)
    assert worker.asked() == []


def test_a_worker_below_its_allowance_takes_jobs_without_asking(worker: SizedWorker) -> None:
    assert worker.may_take(99.9, allowance_mib=100)
    assert worker.asked() == []


@pytest.mark.parametrize("rss_mib", [100, 101])
def test_a_worker_that_has_reached_its_allowance_takes_nothing_and_asks(worker: SizedWorker, rss_mib: float) -> None:
    assert not worker.may_take(rss_mib, allowance_mib=100)
    assert worker.asked() == [{"event": "memory"}]


def test_it_asks_at_most_twice_a_second(worker: SizedWorker) -> None:
    for _ in range(50):
        assert not worker.may_take(101, allowance_mib=100)
        worker.now_ms += 9
    assert len(worker.asked()) == 1
    worker.now_ms += 50
    assert not worker.may_take(101)
    assert len(worker.asked()) == 1


def test_a_larger_allowance_holds_from_the_next_take_on(worker: SizedWorker) -> None:
    assert not worker.may_take(101, allowance_mib=100)
    assert worker.may_take(101, allowance_mib=102)


def test_what_the_allocator_holds_free_is_given_back_before_a_worker_gives_up(worker: SizedWorker) -> None:
    worker.after_trim_mib = 60
    assert worker.may_take(101, allowance_mib=100)
    assert (worker.trims, worker.asked()) == ([101], [])


# malloc_trim


def test_after_a_large_job_free_memory_is_given_back_once(worker: SizedWorker) -> None:
    for rss_mib in (40, 104, 105, 130, 168, 169):
        worker.may_take(rss_mib, allowance_mib=1000)
    assert worker.trims == [105], "more than 64 MiB since the start; then the trim, in vain, is the start"
    worker.may_take(169.1)
    assert worker.trims == [105, 169.1]


def test_growth_counts_from_the_smallest_size_seen(worker: SizedWorker) -> None:
    for rss_mib in (40, 20, 85):
        worker.may_take(rss_mib, allowance_mib=1000)
    assert worker.trims == [85]


# With nothing replaced


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Callable[[], OwnMemory]]:
    """Make one of this very process, whose allowance is one byte."""
    board = Board.create(tmp_path / "w.board")
    board.set_word(Word.ALLOWANCE, 1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield lambda: OwnMemory(worker_side(board), Channel(ours))
    board.close()


def test_the_own_size_is_what_proc_says(real: Callable[[], OwnMemory]) -> None:
    with Path("/proc/self/status").open() as status:
        rss_kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert real()._rss_bytes() == pytest.approx(rss_kib * 1024, rel=0.2)
    assert not real().may_take()


def test_where_proc_is_missing_a_worker_takes_jobs(
    real: Callable[[], OwnMemory], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_memory, "_open_statm", lambda: None)
    assert real().may_take()


def test_where_the_allocator_has_no_trim_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    own_memory._malloc_trim.cache_clear()
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert own_memory._malloc_trim()(0) is None
    own_memory._malloc_trim.cache_clear()


def test_the_trim_of_this_machine_can_be_called() -> None:
    own_memory._malloc_trim.cache_clear()
    assert own_memory._malloc_trim()(0) in (0, 1, None)
