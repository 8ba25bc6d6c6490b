"""What a worker asks before it takes jobs, and before it starts one that says how much memory it needs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.link.board import Board, Word
from jqjobs.link.channel import Channel
from jqjobs.worker.life import own_memory
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.own_memory import OwnMemory, Room

MIB = 1 << 20


class Rig:
    """A worker's side of board and control socket; its own size and the clock are what the test says."""

    def __init__(self, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
        self.board = board
        ours, theirs = socket.socketpair()
        self.daemon, self.channel = Channel(ours), Channel(theirs)
        self.orders = Instructions(self.channel)
        self.rss_mib, self.after_trim_mib = 40.0, None
        self.trims: list[float] = []
        self.now_ms = 1_000_000
        self.waits_s: list[float] = []
        monkeypatch.setattr(OwnMemory, "_rss_bytes", lambda _: int(self.rss_mib * MIB))
        monkeypatch.setattr(own_memory, "_malloc_trim", lambda: self.trim)
        monkeypatch.setattr(own_memory, "monotonic_ms", lambda: self.now_ms)
        self.preflight = OwnMemory(board, self.channel)

    def trim(self, pad: int) -> None:
        """Do as malloc_trim(3): afterwards the worker is as large as ``after_trim_mib`` says, if that is smaller."""
        assert pad == 0
        self.trims.append(self.rss_mib)
        self.rss_mib = min(self.rss_mib, self.after_trim_mib or self.rss_mib)

    def may_take(self, rss_mib: float, allowance_mib: float | None = None) -> bool:
        self.rss_mib = rss_mib
        if allowance_mib is not None:
            self.board.set_word(Word.ALLOWANCE, int(allowance_mib * MIB))
        return self.preflight.may_take()

    def asked(self) -> list[dict[str, Any]]:
        """What the daemon has heard since it was last looked at."""
        return self.daemon.receive()

    def ask_for_room(self, *then: Callable[[], object]) -> Room:
        """Ask for 5 MiB for the job "mine"; at each wait the next of ``then`` happens, at the last of all nothing."""
        events = iter(then)

        def wait(seconds: float) -> None:
            self.waits_s.append(seconds)
            happens = next(events, None)
            if happens is None:
                self.now_ms += round(seconds * 1000)
            else:
                happens()

        return self.preflight.ask_for_room("mine", 5 * MIB, self.orders, wait)

    def answer(self, job_id: str, answer: str, **more: int) -> Callable[[], None]:
        return lambda: self.daemon.send("room", job=job_id, answer=answer, **more)

    def close(self) -> None:
        self.board.close()
        self.daemon.close()
        self.channel.close()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made = Rig(Board.create(tmp_path / "w.board"), monkeypatch)
    yield made
    made.close()


# Before a take


def test_as_long_as_nobody_has_measured_a_worker_of_any_size_takes_jobs(rig: Rig) -> None:
    assert rig.may_take(50_000)
    assert rig.asked() == []


def test_a_worker_below_its_allowance_takes_jobs_without_asking(rig: Rig) -> None:
    assert rig.may_take(99.9, allowance_mib=100)
    assert rig.asked() == []


@pytest.mark.parametrize("rss_mib", [100, 101])
def test_a_worker_that_has_reached_its_allowance_takes_nothing_and_asks(rig: Rig, rss_mib: float) -> None:
    assert not rig.may_take(rss_mib, allowance_mib=100)
    assert rig.asked() == [{"event": "memory"}]


def test_it_asks_at_most_twice_a_second(rig: Rig) -> None:
    for _ in range(50):
        assert not rig.may_take(101, allowance_mib=100)
        rig.now_ms += 9
    assert len(rig.asked()) == 1
    rig.now_ms += 50
    assert not rig.may_take(101)
    assert len(rig.asked()) == 1


def test_a_larger_allowance_holds_from_the_next_take_on(rig: Rig) -> None:
    assert not rig.may_take(101, allowance_mib=100)
    assert rig.may_take(101, allowance_mib=102)


def test_what_the_allocator_holds_free_is_given_back_before_a_worker_gives_up(rig: Rig) -> None:
    rig.after_trim_mib = 60
    assert rig.may_take(101, allowance_mib=100)
    assert (rig.trims, rig.asked()) == ([101], [])


# malloc_trim


def test_after_a_large_job_free_memory_is_given_back_once(rig: Rig) -> None:
    for rss_mib in (40, 104, 105, 130, 168, 169):
        rig.may_take(rss_mib, allowance_mib=1000)
    assert rig.trims == [105], "more than 64 MiB since the start; then the trim, in vain, is the start"
    rig.may_take(169.1)
    assert rig.trims == [105, 169.1]


def test_growth_counts_from_the_smallest_size_seen(rig: Rig) -> None:
    for rss_mib in (40, 20, 85):
        rig.may_take(rss_mib, allowance_mib=1000)
    assert rig.trims == [85]


# Before a job that says what it needs


@pytest.mark.parametrize("room", list(Room))
def test_the_answer_of_the_daemon_counts(rig: Rig, room: Room) -> None:
    assert rig.ask_for_room(rig.answer("mine", room.value)) is room
    assert rig.asked() == [{"event": "room", "job": "mine", "need_bytes": 5 * MIB}]


def test_never_comes_with_how_much_could_be_had(rig: Rig) -> None:
    rig.ask_for_room(rig.answer("mine", "never", most_bytes=4711))
    assert rig.orders.room_bytes == 4711


def test_a_late_answer_about_another_job_is_no_answer(rig: Rig) -> None:
    rig.daemon.send("room", job="other", answer="never")
    assert rig.ask_for_room(rig.answer("other", "granted"), rig.answer("mine", "later")) is Room.LATER
    assert len(rig.waits_s) == 2


def test_other_words_of_the_daemon_are_heard_while_waiting(rig: Rig) -> None:
    def quiet() -> None:
        rig.daemon.send("quiet")
        rig.daemon.send("memory")

    assert rig.ask_for_room(quiet, lambda: None, rig.answer("mine", "granted")) is Room.GRANTED
    assert rig.orders.is_quiet


def test_an_answer_is_used_once(rig: Rig) -> None:
    rig.ask_for_room(rig.answer("mine", "granted"))
    assert rig.ask_for_room() is Room.LATER


def test_a_daemon_that_says_nothing_for_five_seconds_means_later(rig: Rig) -> None:
    def a_second_passes() -> None:
        rig.now_ms += 1000

    assert rig.ask_for_room(a_second_passes, a_second_passes) is Room.LATER
    assert rig.waits_s == [5, 4, 3]


def test_the_end_of_the_daemon_means_later_at_once(rig: Rig) -> None:
    asked_ms = rig.now_ms
    assert rig.ask_for_room(rig.daemon.close, lambda: None) is Room.LATER
    assert rig.now_ms == asked_ms


# With nothing replaced


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Callable[[], OwnMemory]]:
    """Make a preflight of this very process, whose allowance is one byte."""
    board = Board.create(tmp_path / "w.board")
    board.set_word(Word.ALLOWANCE, 1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield lambda: OwnMemory(board, Channel(ours))
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
