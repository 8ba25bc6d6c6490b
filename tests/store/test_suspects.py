"""Blame when daemon or host died too: nobody is charged at first; the suspect runs alone, then it is."""

from __future__ import annotations

from jqjobs.job import Kind
from jqjobs.store import calls
from jqjobs.store.calls import BoardEntry
from store.rig import Rig, outcome


def host_dies(rig: Rig, worker: str, *running: tuple[str, int]) -> None:
    board = [BoardEntry(job_id, attempt, "running") for job_id, attempt in running]
    rig.run(calls.leave("q", worker, "suspect", "its host went down", board))


def reaped(rig: Rig, *jobs: str) -> None:
    """Jobs whose worker took them and was then reaped: nobody could read its board."""
    rig.add(*jobs)
    rig.reaping_works_from_now()
    rig.take("gone", len(jobs))
    rig.outlive_leases()


def test_the_first_time_nobody_is_charged(rig: Rig) -> None:
    rig.add("a", "b")
    rig.take("w", 2)
    host_dies(rig, "w", ("a", 1))

    assert rig.counters("a") == {"executions": 1}
    assert rig.job("a")["suspect"] == "1"
    assert "suspect" not in rig.job("b")
    assert [line["reason"] for line in rig.history("a")] == ["interrupted"]


def test_a_reaped_worker_makes_suspects_of_all_it_held_in_place(rig: Rig) -> None:
    reaped(rig, "a", "b")

    assert rig.ids("ready") == ["a", "b"]
    assert rig.job("a")["suspect"] == rig.job("b")["suspect"] == "1"
    assert rig.counters("a") == {"executions": 1}


def test_a_suspect_is_taken_alone(rig: Rig) -> None:
    reaped(rig, "a", "b")
    rig.add("c", "d")

    assert [job.id for job in rig.take("w", 10)] == ["a"]


def test_a_suspect_waits_for_a_worker_that_holds_nothing(rig: Rig) -> None:
    reaped(rig, "a")
    rig.add("held", priority=1)
    [held] = rig.take("busy")

    assert rig.trip("busy", 10).jobs == []
    assert [job.id for job in rig.trip("busy", 10, [outcome(held, Kind.DONE)]).jobs] == ["a"]


def test_jobs_before_a_suspect_are_taken_without_it(rig: Rig) -> None:
    reaped(rig, "a")
    rig.add("urgent", "urgent2", priority=1)

    assert [job.id for job in rig.take("w", 10)] == ["urgent", "urgent2"]
    assert rig.states("a") == ["ready"]


def test_a_suspect_ends_the_take_of_all_queues(rig: Rig) -> None:
    reaped(rig, "a")
    rig.add("x", queue="second")

    assert [job.id for job in rig.take("w", 10, queues=("q", "second"))] == ["a"]


def test_a_worker_that_holds_a_job_of_another_queue_is_not_alone(rig: Rig) -> None:
    reaped(rig, "a")
    rig.add("x", queue="first")

    assert [(job.queue, job.id) for job in rig.take("w", 10, queues=("first", "q"))] == [("first", "x")]


def test_nothing_is_taken_beside_a_suspect_while_it_runs(rig: Rig) -> None:
    reaped(rig, "a")
    rig.add("b")
    rig.add("x", queue="second")
    [suspect] = rig.take("w", 1, queues=("q", "second"))
    assert suspect.id == "a"

    assert rig.trip("w", 10, queues=("q", "second")).jobs == []
    answer = rig.trip("w", 10, [outcome(suspect, Kind.DONE)], queues=("q", "second"))
    assert [job.id for job in answer.jobs] == ["b", "x"]


def test_an_innocent_job_held_alone_does_not_stop_the_take(rig: Rig) -> None:
    rig.add("a", "b")
    rig.take("w", 1)

    assert [job.id for job in rig.trip("w", 10).jobs] == ["b"]


def test_the_second_time_a_suspect_is_charged_a_crash(rig: Rig) -> None:
    reaped(rig, "a")
    rig.take("w")
    host_dies(rig, "w", ("a", 2))

    assert rig.counters("a") == {"executions": 2, "crashes": 1}
    assert [line["reason"] for line in rig.history("a")] == ["interrupted", "crashed"]


def test_a_pill_that_takes_its_host_down_is_dead_after_three_charges(rig: Rig) -> None:
    rig.add("pill")
    for n in range(1, 5):
        assert rig.states("pill") == ["ready"]
        rig.take(f"w{n}")
        host_dies(rig, f"w{n}", ("pill", n))

    assert rig.states("pill") == ["dead"]
    assert rig.counters("pill") == {"executions": 4, "crashes": 3}


def test_a_suspect_that_was_not_started_stays_one_and_is_not_charged(rig: Rig) -> None:
    reaped(rig, "a")
    rig.take("w")
    host_dies(rig, "w")

    assert rig.counters("a") == {"executions": 1}
    assert rig.job("a")["suspect"] == "1"


def test_a_suspect_that_fails_in_an_orderly_way_is_cleared(rig: Rig) -> None:
    reaped(rig, "a")
    rig.round(Kind.FAILED)
    rig.add("b")

    assert "suspect" not in rig.job("a")
    assert [job.id for job in rig.trip("w", 5).jobs] == ["a", "b"]


def test_a_retried_dead_job_is_no_suspect_any_more(rig: Rig) -> None:
    rig.add("pill", fields=("max_crashes", 1))
    for n in (1, 2):
        rig.take(f"w{n}")
        host_dies(rig, f"w{n}", ("pill", n))
    assert rig.states("pill") == ["dead"]
    rig.run(calls.retry("q", ["pill"]))

    assert "suspect" not in rig.job("pill")
