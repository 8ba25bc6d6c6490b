"""What is said of the jobs of workers that died together. The rules themselves: tests/unit/jobs/test_blame.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jqjobs.daemon.lease_messages import Charge, EndWorker
from jqjobs.daemon.leases import blaming
from jqjobs.daemon.leases.blaming import board_entries, judge
from jqjobs.jobs.blame import Scope, Suspicion
from jqjobs.jobs.records import AttemptRef
from jqjobs.link.board import Board, BoardEntry, Entry
from jqjobs.link.board_layout import Stage
from jqjobs.store.store import Store

DIED = Charge("killed by SIGSEGV")


def entry(job_id: str, stage: Stage = Stage.RUNNING, queue: str = "q") -> Entry:
    return Entry(queue, job_id, 1, 0, "name", stage, 5)


def dead(*entries: Entry, charge: Charge = DIED) -> EndWorker:
    board = cast("Board", SimpleNamespace(entries=lambda: list(entries), path=Path("w.board")))
    return EndWorker("w", ("q", "other"), charge, board)


class Suspected(dict[str, Suspicion]):
    """What Redis says of each job, by id."""

    def __call__(self, store: object, jobs: Sequence[AttemptRef]) -> list[Suspicion | None]:
        return [self.get(job.id) for job in jobs]


@pytest.fixture
def suspected(monkeypatch: pytest.MonkeyPatch) -> Suspected:
    found = Suspected()
    monkeypatch.setattr(blaming, "suspicions", found)
    return found


def said(*workers: EndWorker, scope: Scope = Scope.WORKER) -> dict[Any, str]:
    words = judge(cast("Store", None), workers, scope)
    return {job.id: word for job, word in words.items()}


def test_of_jobs_that_had_ended_the_board_speaks_and_of_unstarted_ones_nothing_is_said() -> None:
    stages = [Stage.IN_HAND, Stage.SUCCEEDED, Stage.FAILED, Stage.RELEASED, Stage.WAITING]
    entries = [entry(stage.name, stage) for stage in stages]
    assert said(dead(*entries)) == {"SUCCEEDED": "succeeded", "FAILED": "failed", "WAITING": "waiting 5"}


def test_the_one_a_worker_was_killed_for_pays_and_its_neighbours_do_not(suspected: Suspected) -> None:
    suspected["b"] = Suspicion(1, Scope.WORKER)
    charge = Charge("ran too long", killed_as="hung", only=AttemptRef("q", "a", 1))
    assert said(dead(entry("a"), entry("b"), entry("c"), charge=charge)) == {
        "a": "hung", "b": "neighbour", "c": "neighbour",
    }  # fmt: skip


def test_nobody_pays_for_what_was_stopped(suspected: Suspected) -> None:
    suspected["a"] = Suspicion(1, Scope.HOST)
    assert said(dead(entry("a"), charge=Charge("a drain", was_stopped=True))) == {"a": "interrupted"}


def test_a_group_is_all_that_ran_in_all_queues_of_all_workers_that_died_together(suspected: Suspected) -> None:
    first, second = dead(entry("a"), entry("b", queue="other")), dead(entry("c"), entry("d"))
    assert set(said(first, second, scope=Scope.DAEMON).values()) == {"suspect 2 2"}
    suspected["d"] = Suspicion(0, Scope.WORKER)
    assert said(first, second, scope=Scope.DAEMON) == {
        "a": "neighbour", "b": "neighbour", "c": "neighbour", "d": "crashed",
    }  # fmt: skip


def test_each_queue_hears_of_its_own() -> None:
    words = {AttemptRef("q", "a", 1): "crashed", AttemptRef("other", "b", 2): "interrupted"}
    assert board_entries(words, "q") == [BoardEntry("a", 1, "crashed")]
