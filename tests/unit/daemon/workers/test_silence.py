"""Workers whose loop stands still while they run nothing: who is killed, and who only looks like it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.daemon.workers.time_limits import Silence
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage, Word
from unit.link.boards import mark_all, run_only

#: Idle for so long, with a poll of 1 s, is silent beyond doubt.
LONG_S = 40


class Worker:
    """A worker process that only notes its signals."""

    def __init__(self, name: str, board: Board) -> None:
        self.id, self.pid, self.board = name, 1, board
        self.state = "ready"
        self.signals: list[signal.Signals] = []

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)

    def run_something(self) -> None:
        run_only(self.board, TakenJob("q", "id", 1, "name", b""))


class Watch:
    """The daemon's main loop with a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, poll_s: float = 1) -> None:
        self.now_s = 5000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now_s)
        self.silence = Silence(poll_s)

    def turn_for(self, seconds: float, *workers: Worker, ticking: tuple[Worker, ...] = ()) -> None:
        for _ in range(int(seconds)):
            self.now_s += 1
            for worker in ticking:
                worker.board.set_word(Word.TICK, round(self.now_s))
            self.silence.look(workers)  # type: ignore[arg-type]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    board = Board.create(tmp_path / "w.board")
    yield Worker("w", board)
    board.close()


def test_the_time_that_an_app_takes_to_load_is_no_silence(watch: Watch, worker: Worker) -> None:
    worker.state = "starting"
    watch.turn_for(2 * LONG_S, worker)
    worker.state = "ready"  # said before its loop has turned
    watch.turn_for(LONG_S / 2, worker)
    assert not worker.signals
    watch.turn_for(LONG_S / 2, worker)
    assert worker.signals


def test_an_idle_worker_that_stands_still_is_killed_after_half_a_minute(watch: Watch, worker: Worker) -> None:
    watch.turn_for(30, worker)
    assert worker.signals == []
    watch.turn_for(10, worker)
    assert set(worker.signals) == {signal.SIGKILL}


def test_a_loop_that_turns_is_left_alone_and_does_not_speak_for_its_neighbour(
    watch: Watch, worker: Worker, tmp_path: Path
) -> None:
    neighbour = Worker("n", Board.create(tmp_path / "n.board"))
    watch.turn_for(LONG_S, worker, neighbour, ticking=(neighbour,))
    assert (bool(worker.signals), bool(neighbour.signals)) == (True, False)
    neighbour.board.close()


def test_a_running_job_may_be_as_silent_as_it_likes_and_the_count_begins_after_it(watch: Watch, worker: Worker) -> None:
    worker.run_something()
    watch.turn_for(10 * LONG_S, worker)
    mark_all(worker.board, Stage.SUCCEEDED)
    watch.turn_for(25, worker)
    assert worker.signals == []
    watch.turn_for(15, worker)
    assert worker.signals


@pytest.mark.parametrize("state", ["starting", "joining", "stopping"])
def test_who_boots_or_ends_has_other_limits(watch: Watch, worker: Worker, state: str) -> None:
    worker.state = state
    watch.turn_for(10 * LONG_S, worker)
    assert worker.signals == []


def test_a_daemon_that_stood_still_itself_blames_nobody(watch: Watch, worker: Worker) -> None:
    watch.turn_for(25, worker)
    watch.now_s += 3600  # SIGSTOP, then SIGCONT
    watch.turn_for(25, worker)
    assert worker.signals == []
    watch.turn_for(15, worker)
    assert worker.signals


def test_a_long_poll_is_no_silence(monkeypatch: pytest.MonkeyPatch, worker: Worker) -> None:
    watch = Watch(monkeypatch, poll_s=60)  # a quiet worker turns only every 60 s, and up to twice that with jitter
    watch.turn_for(120, worker)
    assert worker.signals == []
    watch.turn_for(40, worker)
    assert worker.signals
