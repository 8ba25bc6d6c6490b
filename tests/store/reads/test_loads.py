"""What there is to do in queues, as scaling sees it: counted once, workers too, and weighed by what such jobs took."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jqjobs.jobs.records import Kind
from jqjobs.jobs.scaling import Load
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.statistics import add_statistics
from jqjobs.store.reads import loads
from jqjobs.store.reads.loads import read_loads
from store.queue_system import QueueSystem


def ran(system: QueueSystem, name: str, times: int, each_ms: int, queue: str = "q") -> None:
    """Have jobs of a name counted as workers do."""
    system.run(add_statistics(queue, {name: {"started": times, "run_ms": times * each_ms, "run:3": times}}))


def total(system: QueueSystem, *queues: str, lead_s: float = 60) -> Load:
    return read_loads(system.store, queues or ["q"], lead_s).total


def test_no_queue_and_an_empty_one_have_no_load(system: QueueSystem) -> None:
    assert read_loads(system.store, []).total == total(system) == Load()


def test_what_waits_runs_or_comes_soon_is_counted(system: QueueSystem) -> None:
    system.add("a", "b", "c")
    system.push({"job": "n"})
    system.join("idle")
    system.take("w", 2)
    for job_id, in_s in (("soon", 60), ("later", 61)):
        system.add(job_id, due=f"+{in_s * 1000}")
    system.clock.advance(5000)
    assert total(system, lead_s=55) == Load(ready=2, in_hand=2, busy=1, due_soon=1, oldest_s=5.0, workers=2)


def test_a_paused_queue_calls_for_nobody_but_those_who_are_busy(system: QueueSystem) -> None:
    system.add("a", "b")
    system.add("soon", due="+1000")
    system.take("w")
    system.run(upkeep.pause("q"))
    assert total(system) == Load(in_hand=1, busy=1, workers=1)


def test_a_worker_that_is_busy_in_two_queues_is_one(system: QueueSystem) -> None:
    both = ("q", "r")
    system.add("a")
    system.add("b", queue="r")
    system.take("w", 2, queues=both)
    loads = read_loads(system.store, both)
    assert [loads.by_queue[queue].busy for queue in both] == [1, 1]
    assert (loads.total.busy, loads.total.in_hand, loads.total.workers) == (1, 2, 1)


def test_jobs_are_weighed_by_what_those_of_their_names_took(system: QueueSystem) -> None:
    ran(system, "quick", 10_000, 10)
    ran(system, "slow", 10, 60_000)
    system.add("a", "b", "c", name="slow")
    system.add("d", name="quick")
    system.add("e", name="new")  # none has ended: one second
    assert total(system).mean_run_s == pytest.approx((3 * 60 + 0.01 + 1) / 5)


def test_queues_are_weighed_by_how_many_jobs_they_have(system: QueueSystem) -> None:
    ran(system, "n", 10, 1000)
    ran(system, "n", 10, 4000, queue="r")
    system.add("a", "b")
    system.add("c", queue="r")
    system.add("d", queue="unknown")
    assert total(system, "q", "r", "unknown").mean_run_s == pytest.approx((2 * 1 + 4 + 1) / 4)


def test_of_very_many_queues_all_that_ran_there_tells_how_long_one_takes(
    system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(system, "n", 3, 1000)
    ran(system, "m", 1, 5000)
    system.add("a", name="m")
    assert total(system).mean_run_s == pytest.approx(5.0)
    monkeypatch.setattr(loads, "_MOST_SAMPLED", 0)
    assert total(system).mean_run_s == pytest.approx(2.0)


def test_what_such_jobs_took_lately_counts_more_than_what_they_took_ever(system: QueueSystem) -> None:
    ran(system, "n", 1000, 100)
    system.clock.advance(3_600_000)
    system.add("a")
    assert total(system).mean_run_s == pytest.approx(0.1)
    ran(system, "n", 1, 5000)
    assert total(system).mean_run_s == pytest.approx(5.0)


def test_with_nothing_waiting_the_jobs_that_ran_here_tell_how_long_one_takes(system: QueueSystem) -> None:
    system.add("a", name="n")
    [job] = system.take("w")
    assert total(system).mean_run_s is None
    ran(system, "n", 3, 2000)
    ran(system, "m", 1, 6000)
    assert total(system).mean_run_s == pytest.approx(3.0)
    system.settle("w", job, Kind.DONE)
    assert total(system) == Load(workers=1)


def test_of_several_queues_with_jobs_that_with_the_fewest_workers_counts(system: QueueSystem) -> None:
    system.join("u", "v", "w")
    system.join("u", queues=["r"])
    system.add("a")
    assert total(system, "q", "r").workers == 3
    system.add("b", queue="r")
    assert total(system, "q", "r").workers == 1


def test_who_asks_again_and_again_reads_what_is_counted_as_often_as_workers_add_it_up(
    real_system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(real_system, "n", 10, 1000)
    real_system.add("a")
    counts, now_s = loads.Counts(), 1000.0
    monkeypatch.setattr(loads, "time", SimpleNamespace(monotonic=lambda: now_s))

    def mean_run_s() -> float | None:
        return read_loads(real_system.store, ["q"], counts=counts).total.mean_run_s

    assert mean_run_s() == pytest.approx(1.0)
    ran(real_system, "n", 10, 3000)
    now_s += 9.9
    assert mean_run_s() == pytest.approx(1.0)
    now_s += 0.1
    assert mean_run_s() == pytest.approx(2.0)


def test_what_is_not_counted_yet_is_looked_for_each_time(system: QueueSystem) -> None:
    system.add("a")
    counts = loads.Counts()
    assert read_loads(system.store, ["q"], counts=counts).total.mean_run_s is None
    ran(system, "n", 1, 1000)
    assert read_loads(system.store, ["q"], counts=counts).total.mean_run_s == pytest.approx(1.0)
