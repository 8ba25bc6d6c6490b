"""Jobs that wait behind one that holds the GIL: when they are recalled, and when that is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.daemon.messages import Recall
from jqjobs.daemon.workers.recall import Recaller
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.jobs.records import TakenJob
from jqjobs.link.board import Stage, Word
from unit.daemon.fake_workers import FakeWorkers
from unit.link.boards import held


class Office:
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
        jobs = held(self.board, *range(running + behind))
        for job in jobs[:running]:
            self.board.mark(job.place, Stage.RUNNING, self.now_ms - for_ms)
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
def office(workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(workers, monkeypatch)


def test_the_flag_comes_first_and_what_is_held_then_goes_back_a_moment_later(office: Office) -> None:
    office.run(1, 2, for_ms=90)
    again_s = office.turn()
    assert (office.flag, office.commands) == (office.now_ms, [])
    assert again_s is not None
    assert 0 < again_s < 0.1, "the next turn comes soon"
    office.turn(after_ms=25)
    assert office.commands == [Recall(office.worker.id, (("q", "id-1", 1), ("q", "id-2", 2)))]


def test_a_moment_that_has_not_passed_is_waited_for(office: Office) -> None:
    office.run(1, 2, for_ms=90)
    office.turn()
    assert office.turn(after_ms=5) is not None
    assert office.commands == []


@pytest.mark.parametrize(
    ("running", "behind", "for_ms"), [(1, 2, 70), (1, 0, 5000), (0, 2, 5000)],
    ids=["not for long", "nobody waits", "nothing runs"],
)  # fmt: skip
def test_where_nobody_waits_for_long_nothing_is_said(office: Office, running: int, behind: int, for_ms: int) -> None:
    office.run(running, behind, for_ms)
    for _ in range(5):
        office.turn(after_ms=1)
    assert (office.flag, office.commands) == (0, [])


def test_while_one_of_several_slots_has_just_started_a_job_nobody_is_stuck(office: Office) -> None:
    _, second, *_ = office.run(2, 2, for_ms=5000)
    office.board.mark(second.place, Stage.RUNNING, office.now_ms - 10)
    office.turn()
    assert office.flag == 0


def test_while_jobs_run_the_next_look_comes_sooner_than_when_all_is_quiet(office: Office) -> None:
    assert office.turn() is None
    office.run(1, 2, for_ms=5)
    again_s = office.turn()
    assert again_s is not None
    assert again_s <= 0.2


def test_a_worker_that_has_heard_in_between_loses_nothing_more(office: Office) -> None:
    """It has given its jobs back itself, and may hold others by now."""
    jobs = office.run(1, 1, for_ms=90)
    office.turn()
    office.board.mark(jobs[1].place, Stage.RELEASED, 0)
    office.board.set_word(Word.RECALL, 0)
    held(office.board, 7, 8)
    office.turn(after_ms=25)
    assert office.commands == []


def test_the_marks_are_read_before_the_flag(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hears between the two looks may start what the second one would find."""
    office.run(1, 2, for_ms=90)
    office.turn()
    read = office.board.entries

    def read_and_hear() -> Any:
        found = read()
        office.board.set_word(Word.RECALL, 0)
        return found

    monkeypatch.setattr(office.board, "entries", read_and_hear)
    office.turn(after_ms=25)
    assert office.commands == []


def test_a_flag_that_is_no_longer_called_for_is_taken_away(office: Office) -> None:
    jobs = office.run(1, 2, for_ms=90)
    office.turn()
    office.board.mark(jobs[1].place, Stage.RUNNING, office.now_ms)
    office.turn(after_ms=25)
    assert (office.flag, office.commands) == (0, [])


def test_after_jobs_were_given_back_under_it_only_the_worker_takes_the_flag_away(office: Office) -> None:
    """It has not heard yet, and could start one of them."""
    jobs = office.run(1, 2, for_ms=90)
    office.turn()
    office.turn(after_ms=25)
    office.board.mark(jobs[0].place, Stage.SUCCEEDED, office.now_ms)
    flag = office.flag
    for _ in range(5):
        office.turn(after_ms=25)
    assert (office.flag, len(office.commands)) == (flag, 1)
    assert flag != 0


def test_it_is_asked_for_again_now_and_then_as_redis_may_not_have_heard(office: Office) -> None:
    office.run(1, 1, for_ms=90)
    for _ in range(100):
        office.turn(after_ms=25)
    assert set(office.recalled) == {"id-1"}
    assert 2 <= len(office.commands) <= 3


def test_a_worker_that_ended_is_forgotten(office: Office) -> None:
    office.run(1, 1, for_ms=90)
    office.turn()
    assert office.recaller.look([]) is None
    office.turn(after_ms=25)
    assert office.commands == []


def test_each_worker_has_its_own_flag(office: Office, workers: FakeWorkers) -> None:
    other: WorkerProcess
    [other] = workers.start_ready(1)
    office.run(1, 1, for_ms=90)
    for _ in range(2):
        office.recaller.look([office.worker, other])
        office.now_ms += 25
    assert (other.board.word(Word.RECALL), {command.worker_id for command in office.commands}) == (
        0, {office.worker.id},
    )  # fmt: skip
