"""Blame when daemon or host died too: nobody is charged at first; the suspect runs alone, then it is."""

from __future__ import annotations

from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from store.queue_system import QueueSystem, outcome


def host_dies(system: QueueSystem, worker: str, *running: tuple[str, int]) -> None:
    board = [BoardEntry(job_id, attempt, "running") for job_id, attempt in running]
    system.run(leases.leave("q", worker, "suspect", "its host went down", board))


def reaped(system: QueueSystem, *jobs: str) -> None:
    """Jobs whose worker took them and was then reaped: nobody could read its board."""
    system.add(*jobs)
    system.reaping_works_from_now()
    system.take("gone", len(jobs))
    system.outlive_leases()


def test_the_first_time_nobody_is_charged(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w", 2)
    host_dies(system, "w", ("a", 1))

    assert system.counters("a") == {"executions": 1}
    assert system.job("a")["suspect"] == "1"
    assert "suspect" not in system.job("b")
    assert [line["reason"] for line in system.history("a")] == ["interrupted"]


def test_a_reaped_worker_makes_suspects_of_all_it_held_in_place(system: QueueSystem) -> None:
    reaped(system, "a", "b")

    assert system.ids("ready") == ["a", "b"]
    assert system.job("a")["suspect"] == system.job("b")["suspect"] == "1"
    assert system.counters("a") == {"executions": 1}


def test_a_suspect_is_taken_alone(system: QueueSystem) -> None:
    reaped(system, "a", "b")
    system.add("c", "d")

    assert [job.id for job in system.take("w", 10)] == ["a"]


def test_a_suspect_waits_for_a_worker_that_holds_nothing(system: QueueSystem) -> None:
    reaped(system, "a")
    system.add("held", priority=1)
    [other] = system.take("busy")

    assert system.trip("busy", 10).jobs == []
    assert [job.id for job in system.trip("busy", 10, [outcome(other, Kind.DONE)]).jobs] == ["a"]


def test_jobs_before_a_suspect_are_taken_without_it(system: QueueSystem) -> None:
    reaped(system, "a")
    system.add("urgent", "urgent2", priority=1)

    assert [job.id for job in system.take("w", 10)] == ["urgent", "urgent2"]
    assert system.states("a") == ["ready"]


def test_a_suspect_ends_the_take_of_all_queues(system: QueueSystem) -> None:
    reaped(system, "a")
    system.add("x", queue="second")

    assert [job.id for job in system.take("w", 10, queues=("q", "second"))] == ["a"]


def test_a_worker_that_holds_a_job_of_another_queue_is_not_alone(system: QueueSystem) -> None:
    reaped(system, "a")
    system.add("x", queue="first")

    assert [(job.queue, job.id) for job in system.take("w", 10, queues=("first", "q"))] == [("first", "x")]


def test_nothing_is_taken_beside_a_suspect_while_it_runs(system: QueueSystem) -> None:
    reaped(system, "a")
    system.add("b")
    system.add("x", queue="second")
    [suspect] = system.take("w", 1, queues=("q", "second"))
    assert suspect.id == "a"

    assert system.trip("w", 10, queues=("q", "second")).jobs == []
    answer = system.trip("w", 10, [outcome(suspect, Kind.DONE)], queues=("q", "second"))
    assert [job.id for job in answer.jobs] == ["b", "x"]


def test_an_innocent_job_held_alone_does_not_stop_the_take(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w", 1)

    assert [job.id for job in system.trip("w", 10).jobs] == ["b"]


def test_the_second_time_a_suspect_is_charged_a_crash(system: QueueSystem) -> None:
    reaped(system, "a")
    system.take("w")
    host_dies(system, "w", ("a", 2))

    assert system.counters("a") == {"executions": 2, "crashes": 1}
    assert [line["reason"] for line in system.history("a")] == ["interrupted", "crashed"]


def test_a_pill_that_takes_its_host_down_is_dead_after_three_charges(system: QueueSystem) -> None:
    system.add("pill")
    for n in range(1, 5):
        assert system.states("pill") == ["ready"]
        system.take(f"w{n}")
        host_dies(system, f"w{n}", ("pill", n))

    assert system.states("pill") == ["dead"]
    assert system.counters("pill") == {"executions": 4, "crashes": 3}


def test_a_suspect_that_was_not_started_stays_one_and_is_not_charged(system: QueueSystem) -> None:
    reaped(system, "a")
    system.take("w")
    host_dies(system, "w")

    assert system.counters("a") == {"executions": 1}
    assert system.job("a")["suspect"] == "1"


def test_a_suspect_that_fails_in_an_orderly_way_is_cleared(system: QueueSystem) -> None:
    reaped(system, "a")
    system.round(Kind.FAILED)
    system.add("b")

    assert "suspect" not in system.job("a")
    assert [job.id for job in system.trip("w", 5).jobs] == ["a", "b"]


def test_a_retried_dead_job_is_no_suspect_any_more(system: QueueSystem) -> None:
    system.add("pill", fields=("max_crashes", 1))
    for n in (1, 2):
        system.take(f"w{n}")
        host_dies(system, f"w{n}", ("pill", n))
    assert system.states("pill") == ["dead"]
    system.run(upkeep.retry("q", ["pill"]))

    assert "suspect" not in system.job("pill")
