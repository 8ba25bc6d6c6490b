"""Which workers take suspects, as their boards say it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.suspect_takers import SuspectTakers
from jqjobs.jobs.blame import Scope
from jqjobs.link.board_layout import Word
from unit.daemon.fake_workers import FakeWorkers


@pytest.fixture
def takers(workers: FakeWorkers, tmp_path: Path) -> Iterator[SuspectTakers]:
    made = SuspectTakers(workers.processes, tmp_path)
    yield made
    made.close()


def scopes(started: list[WorkerProcess]) -> list[int]:
    return [worker.board.word(Word.SUSPECTS) for worker in started]


def test_who_takes_those_of_the_daemon_keeps_that_and_is_followed_only_after_its_end(
    workers: FakeWorkers, takers: SuspectTakers
) -> None:
    started = workers.start_ready(1, 2)
    takers.appoint()
    started += workers.start_ready(0)
    takers.appoint()
    assert scopes(started) == [Scope.HOST, 0, 0], "not the one of seat 0 that has come later"
    workers.processes.stop(started[0], stop_plans.retire_plan())
    takers.appoint()
    assert scopes(started)[1:] == [0, Scope.WORKER], "the first one may still run some"
    workers.die(started[0])
    list(workers.processes.take_dead())
    takers.appoint()
    assert scopes(started)[1:] == [0, Scope.HOST]
    assert [worker.board.word(Word.OTHERS) for worker in started[1:]] == [1, 1]


def test_one_daemon_of_a_host_takes_those_of_the_host(
    workers: FakeWorkers, takers: SuspectTakers, tmp_path: Path
) -> None:
    other = SuspectTakers(workers.processes, tmp_path)
    [worker] = workers.start_ready(0)
    takers.appoint()
    other.appoint()
    assert worker.board.word(Word.SUSPECTS) == Scope.DAEMON
    takers.close()
    SuspectTakers(workers.processes, tmp_path).appoint()
    assert worker.board.word(Word.SUSPECTS) == Scope.HOST
