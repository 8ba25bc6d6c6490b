"""Which job is taken next: priority, then age; due times; several queues; what went back unrun."""

from __future__ import annotations

from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from store.queue_system import LEASE_MS, START_MS, QueueSystem, outcome


def taken(system: QueueSystem, want: int = 100, **options: object) -> list[str]:
    return [job.id for job in system.take("w", want, **options)]


def test_higher_priority_goes_first_and_age_decides_inside_it(system: QueueSystem) -> None:
    system.add("low", priority=-4096)
    system.add("a", "b")
    system.add("high", priority=4095)
    system.add("c")

    assert taken(system) == ["high", "a", "b", "c", "low"]


def test_the_lowest_priority_keeps_first_in_first_out(system: QueueSystem) -> None:
    ids = [f"j{i}" for i in (3, 1, 2)]
    for job_id in ids:
        system.add(job_id, priority=-4096)

    assert taken(system) == ids


def test_no_more_than_wanted_is_taken(system: QueueSystem) -> None:
    system.add("a", "b", "c")

    assert taken(system, 2) == ["a", "b"]
    assert system.states("c") == ["ready"]


def test_wanting_nothing_takes_nothing(system: QueueSystem) -> None:
    system.add("a")

    assert taken(system, 0) == []


def test_a_delayed_job_is_taken_when_its_time_has_come(system: QueueSystem) -> None:
    system.add("later", due="+1000")
    system.join("w")

    assert system.trip("w", 5).wait_ms == 1000
    system.clock.advance(999)
    assert system.trip("w", 5).jobs == []
    system.clock.advance(1)
    assert [job.id for job in system.trip("w", 5).jobs] == ["later"]


def test_delayed_jobs_become_ready_in_the_order_they_are_due(system: QueueSystem) -> None:
    system.add("second", due="+20")
    system.add("first", due="+10")
    system.add("urgent", due="+30", priority=1)
    system.clock.advance(50)

    assert taken(system) == ["urgent", "first", "second"]


def test_a_promoted_job_lines_up_behind_those_that_were_ready_before(system: QueueSystem) -> None:
    system.add("delayed", due="+10")
    system.add("waiting")
    system.clock.advance(10)

    assert taken(system) == ["waiting", "delayed"]


def test_queues_are_served_in_the_order_of_the_worker(system: QueueSystem) -> None:
    system.add("a1", "a2", queue="a")
    system.add("b1", queue="b", priority=4095)

    assert taken(system, 2, queues=("b", "a")) == ["b1", "a1"]
    assert system.states("a2", "a") == ["ready"]


def test_each_taken_job_says_its_queue(system: QueueSystem) -> None:
    system.add("x", queue="a")
    system.add("y", queue="b")

    jobs = system.take("w", 5, queues=("a", "b"))
    assert [(job.queue, job.id) for job in jobs] == [("a", "x"), ("b", "y")]


def test_thirty_two_queues_are_served_in_one_trip(system: QueueSystem) -> None:
    queues = [f"q{i}" for i in range(32)]
    for queue in queues:
        system.add("j", queue=queue)

    jobs = system.take("w", 100, queues=queues)
    assert [job.queue for job in jobs] == queues


def test_a_batch_of_500_is_taken_and_settled_in_one_trip_each(system: QueueSystem) -> None:
    ids = [f"j{i:03}" for i in range(500)]
    system.add(*ids)
    jobs = system.take("w", 500)

    assert [job.id for job in jobs] == ids
    answer = system.trip("w", 0, [outcome(job, Kind.DONE) for job in jobs])
    assert answer.stale == ()
    assert system.meta("done") == 500
    assert system.redis("KEYS", system.key("job:*")) == []


def test_a_take_stops_after_half_a_mebibyte_of_payloads(system: QueueSystem) -> None:
    system.add("a", "b", "c", "d", payload=b"x" * 300_000)

    assert taken(system, 10) == ["a", "b"]
    assert system.ids("ready") == ["c", "d"]


def test_what_goes_back_unrun_keeps_its_place(system: QueueSystem) -> None:
    system.add("a", "b", "c")
    first, second = system.take("w", 2)

    system.trip("w", 0, [outcome(second, Kind.RELEASED), outcome(first, Kind.RELEASED)])
    assert system.ids("ready") == ["a", "b", "c"]
    assert taken(system) == ["a", "b", "c"]


def test_a_paused_queue_gives_nothing_and_the_next_queue_does(system: QueueSystem) -> None:
    system.add("held", queue="a")
    system.add("free", queue="b")
    assert system.run(upkeep.pause("a")) is True

    assert taken(system, 5, queues=("a", "b")) == ["free"]


def test_a_paused_queue_settles_accepts_and_promotes(system: QueueSystem) -> None:
    system.add("a")
    [job] = system.take("w")
    system.run(upkeep.pause("q"))
    system.add("b", due="+5")
    system.clock.advance(5)

    assert system.settle("w", job).stale == ()
    assert system.states("b") == ["ready"]


def test_pausing_and_resuming_say_whether_they_changed_something(system: QueueSystem) -> None:
    assert system.run(upkeep.resume("q")) is False
    assert system.run(upkeep.pause("q")) is True
    assert system.meta("paused") == START_MS
    system.clock.advance(1)
    assert system.run(upkeep.pause("q")) is False
    assert system.meta("paused") == START_MS
    assert system.run(upkeep.resume("q")) is True
    assert system.meta("paused") is None


def test_a_ready_id_without_a_record_is_dropped_and_nothing_waits_behind_it(system: QueueSystem) -> None:
    system.add("a")
    system.redis("ZADD", system.key("ready"), -1, "ghost")
    system.join("w")

    assert [job.id for job in system.trip("w", 1).jobs] == ["a"]
    assert system.states("ghost") == []


def test_a_trip_that_only_moved_jobs_aside_says_that_there_may_be_more(system: QueueSystem) -> None:
    for n in range(51):
        system.redis("ZADD", system.key("ready"), n - 200, f"ghost{n}")
    system.add("a")
    system.join("w")

    answer = system.trip("w", 1)
    assert (answer.jobs, answer.more) == ([], True)
    assert [job.id for job in system.trip("w", 1).jobs] == ["a"]


def test_a_trip_moves_no_more_than_a_portion_aside_however_much_it_wants(system: QueueSystem) -> None:
    for n in range(120):
        system.redis("ZADD", system.key("ready"), n - 200, f"ghost{n}")
    system.join("w")

    assert system.trip("w", 500).more
    assert len(system.ids("ready")) == 70


def test_a_failed_job_lines_up_anew_when_its_delay_has_passed(system: QueueSystem) -> None:
    system.add("a", "b")
    system.round(Kind.FAILED, 1000)
    assert system.score("scheduled", "a") == START_MS + 1000
    system.clock.advance(1000)

    assert taken(system) == ["b", "a"]


def test_the_lease_of_the_caller_does_not_matter_for_what_it_takes(system: QueueSystem) -> None:
    system.add("a")
    system.join("w", lease_ms=1)
    system.clock.advance(LEASE_MS)

    assert [job.id for job in system.trip("w", 1).jobs] == ["a"]
