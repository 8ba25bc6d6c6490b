"""A worker's turns with suspects: before all else, none beside one in hand, and the others in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.blame import Scope
from jqjobs.link.board import BoardEntry
from jqjobs.link.board_layout import Word
from jqjobs.store.calls import leases
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker


@pytest.fixture
def worker(system: QueueSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProcesslessWorker:
    """One that takes suspects, of which there are two that may run at once, and two jobs behind them."""
    monkeypatch.setattr("jqjobs.worker.trips.suspects._LOOK_EVERY_MS", 0)
    system.add("s1", "s2", "s3", "s4")
    system.take("dead", 4)
    system.run(leases.leave("q", "dead", "died", [BoardEntry(f"s{n}", 1, "suspect 2 1") for n in range(1, 5)]))
    system.add("a", "b")
    made = ProcesslessWorker(system, system.store, tmp_path)
    made.board.set_word(Word.SUSPECTS, Scope.WORKER)
    return made


def brought(worker: ProcesslessWorker, want: int, free: int = 0) -> list[str]:
    worker.exchanger.send(want, free)
    return [job.id for job in worker.exchanger.receive().jobs]


def finish_all(worker: ProcesslessWorker) -> None:
    while worker.batch.unstarted_count:
        worker.finish(worker.start())


def test_one_slot_takes_a_suspect_and_a_job_in_turn(worker: ProcesslessWorker) -> None:
    found = []
    for _ in range(4):
        found.append(brought(worker, 1))
        finish_all(worker)
    assert found == [["s1"], ["a"], ["s2"], ["b"]]


def test_several_slots_take_as_many_as_may_run_at_once_and_jobs_beside_them(worker: ProcesslessWorker) -> None:
    assert brought(worker, 8, free=8) == ["s1", "s2", "a", "b"]
    assert brought(worker, 4, free=4) == [], "two suspects are in hand"


def test_nothing_is_taken_beside_one_that_may_pay_next_for_long_where_others_go_on(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = [monotonic_ms()]
    monkeypatch.setattr("jqjobs.worker.trips.solitude.monotonic_ms", lambda: now_ms[0])
    for suspect in ("s1", "s2"):
        worker.system.redis("HSET", worker.system.key(f"job:{suspect}"), "suspect", "0 1")
    assert brought(worker, 8, free=8) == ["s1"]
    suspects, running = worker.exchanger.suspects, worker.start()
    assert suspects.is_alone
    now_ms[0] += 10_000
    assert not suspects.is_alone, "its daemon has no other worker: ready jobs would wait"
    worker.board.set_word(Word.OTHERS, 1)
    assert suspects.is_alone
    worker.finish(running)
    assert not suspects.is_alone
    assert brought(worker, 1, free=0) == ["a"]
    assert brought(worker, 8, free=8) == ["s2"]
    assert [job.id for job in worker.batch.in_hand()] == ["s2"], "what would have started beside it goes back"
    finish_all(worker)
    assert brought(worker, 8, free=8) == ["a", "b"]


def test_who_is_not_to_take_any_leaves_them(worker: ProcesslessWorker) -> None:
    worker.board.set_word(Word.SUSPECTS, 0)
    assert brought(worker, 8, free=8) == ["a", "b"]
