"""Jobs that wait behind one that holds the GIL: when they are recalled, and when that is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.daemon.lease_messages import Recall
from jqjobs.daemon.workers.recall import Recaller
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board_layout import Stage, Word
from unit.daemon.fake_workers import FakeWorkers
from unit.link.boards import in_hand, worker_side


class DaemonOfOne:
    """A daemon with one worker, and a clock that only the test moves. ``prefetch_ms`` is 20."""

    def __init__(self, workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = 1_000_000
        monkeypatch.setattr("jqjobs.daemon.workers.recall.monotonic_ms", lambda: self.now_ms)
        self.commands: list[Recall] = []
        [self.worker] = workers.start_ready(0)
        self.board = self.worker.board
        self.recaller = Recaller(20, self.commands.append)

    def run(self, running: int, behind: int, for_ms: int) -> list[TakenJob]:
        """Have the worker run some jobs for so long, and hold others behind them."""
        jobs = in_hand(self.board, *range(running + behind))
        for job in jobs[:running]:
            worker_side(self.board).mark(job.place, Stage.RUNNING, self.now_ms - for_ms)
        return jobs

    def turn(self, after_ms: int = 0) -> float | None:
        self.now_ms += after_ms
        return self.recaller.look([self.worker])

    @property
    def flag(self) -> int:
        return self.board.word(Word.RECALL)

    @property
    def recalled(self) -> list[str]:
        return [job_id for command in self.commands for _, job_id, _ in command.jobs]


@pytest.fixture
def daemon(workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch) -> DaemonOfOne:
    return DaemonOfOne(workers, monkeypatch)


def test_the_flag_comes_first_and_what_is_held_then_goes_back_a_moment_later(daemon: DaemonOfOne) -> None:
    daemon.run(1, 2, for_ms=90)
    again_s = daemon.turn()
    assert (daemon.flag, daemon.commands) == (daemon.now_ms, [])
    assert again_s is not None
    assert 0 < again_s < 0.1, "the next turn comes soon"
    daemon.turn(after_ms=25)
    assert daemon.commands == [Recall(daemon.worker.id, (("q", "id-1", 1), ("q", "id-2", 2)))]


def test_a_moment_that_has_not_passed_is_waited_for(daemon: DaemonOfOne) -> None:
    daemon.run(1, 2, for_ms=90)
    daemon.turn()
    assert daemon.turn(after_ms=5) is not None
    assert daemon.commands == []


@pytest.mark.parametrize(
    ("running", "behind", "for_ms"), [(1, 2, 70), (1, 0, 5000), (0, 2, 5000)],
    ids=["not for long", "nobody waits", "nothing runs"],
)  # fmt: skip
def test_where_nobody_waits_for_long_nothing_is_said(
    daemon: DaemonOfOne, running: int, behind: int, for_ms: int
) -> None:
    daemon.run(running, behind, for_ms)
    for _ in range(5):
        daemon.turn(after_ms=1)
    assert (daemon.flag, daemon.commands) == (0, [])


def test_while_one_of_several_slots_has_just_started_a_job_nobody_is_stuck(daemon: DaemonOfOne) -> None:
    _, second, *_ = daemon.run(2, 2, for_ms=5000)
    worker_side(daemon.board).mark(second.place, Stage.RUNNING, daemon.now_ms - 10)
    daemon.turn()
    assert daemon.flag == 0


def test_while_jobs_run_the_next_look_comes_sooner_than_when_all_is_quiet(daemon: DaemonOfOne) -> None:
    assert daemon.turn() is None
    daemon.run(1, 2, for_ms=5)
    again_s = daemon.turn()
    assert again_s is not None
    assert again_s <= 0.2


def test_a_worker_that_has_heard_in_between_loses_nothing_more(daemon: DaemonOfOne) -> None:
    """It has given its jobs back itself, and may hold others by now."""
    jobs = daemon.run(1, 1, for_ms=90)
    daemon.turn()
    worker_side(daemon.board).mark(jobs[1].place, Stage.RELEASED, 0)
    daemon.board.set_word(Word.RECALL, 0)
    in_hand(daemon.board, 7, 8)
    daemon.turn(after_ms=25)
    assert daemon.commands == []


def test_the_marks_are_read_before_the_flag(daemon: DaemonOfOne, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hears between the two looks may start what the second one would find."""
    daemon.run(1, 2, for_ms=90)
    daemon.turn()
    read = daemon.board.entries

    def read_and_hear() -> Any:
        found = read()
        daemon.board.set_word(Word.RECALL, 0)
        return found

    monkeypatch.setattr(daemon.board, "entries", read_and_hear)
    daemon.turn(after_ms=25)
    assert daemon.commands == []


def test_a_flag_that_is_no_longer_called_for_is_taken_away(daemon: DaemonOfOne) -> None:
    jobs = daemon.run(1, 2, for_ms=90)
    daemon.turn()
    worker_side(daemon.board).mark(jobs[1].place, Stage.RUNNING, daemon.now_ms)
    daemon.turn(after_ms=25)
    assert (daemon.flag, daemon.commands) == (0, [])


def test_after_jobs_were_given_back_under_it_only_the_worker_takes_the_flag_away(daemon: DaemonOfOne) -> None:
    """It has not heard yet, and could start one of them."""
    jobs = daemon.run(1, 2, for_ms=90)
    daemon.turn()
    daemon.turn(after_ms=25)
    worker_side(daemon.board).mark(jobs[0].place, Stage.SUCCEEDED, daemon.now_ms)
    flag = daemon.flag
    for _ in range(5):
        daemon.turn(after_ms=25)
    assert (daemon.flag, len(daemon.commands)) == (flag, 1)
    assert flag != 0


def test_it_is_asked_for_again_now_and_then_as_redis_may_not_have_heard(daemon: DaemonOfOne) -> None:
    daemon.run(1, 1, for_ms=90)
    for _ in range(100):
        daemon.turn(after_ms=25)
    assert set(daemon.recalled) == {"id-1"}
    assert 2 <= len(daemon.commands) <= 3


def test_a_worker_that_ended_is_forgotten(daemon: DaemonOfOne) -> None:
    daemon.run(1, 1, for_ms=90)
    daemon.turn()
    assert daemon.recaller.look([]) is None
    daemon.turn(after_ms=25)
    assert daemon.commands == []


def test_each_worker_has_its_own_flag(daemon: DaemonOfOne, workers: FakeWorkers) -> None:
    other: WorkerProcess
    [other] = workers.start_ready(1)
    daemon.run(1, 1, for_ms=90)
    for _ in range(2):
        daemon.recaller.look([daemon.worker, other])
        daemon.now_ms += 25
    assert (other.board.word(Word.RECALL), {command.worker_id for command in daemon.commands}) == (
        0, {daemon.worker.id},
    )  # fmt: skip
