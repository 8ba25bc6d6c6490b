"""Which job is taken next: priority, then age; due times; several queues; what went back unrun."""

from __future__ import annotations

from jqjobs.job import Kind
from jqjobs.store import calls
from store.rig import LEASE_MS, START_MS, Rig, outcome


def taken(rig: Rig, want: int = 100, **options: object) -> list[str]:
    return [job.id for job in rig.take("w", want, **options)]


def test_higher_priority_goes_first_and_age_decides_inside_it(rig: Rig) -> None:
    rig.add("low", priority=-4096)
    rig.add("a", "b")
    rig.add("high", priority=4095)
    rig.add("c")

    assert taken(rig) == ["high", "a", "b", "c", "low"]


def test_the_lowest_priority_keeps_first_in_first_out(rig: Rig) -> None:
    ids = [f"j{i}" for i in (3, 1, 2)]
    for job_id in ids:
        rig.add(job_id, priority=-4096)

    assert taken(rig) == ids


def test_no_more_than_wanted_is_taken(rig: Rig) -> None:
    rig.add("a", "b", "c")

    assert taken(rig, 2) == ["a", "b"]
    assert rig.states("c") == ["ready"]


def test_wanting_nothing_takes_nothing(rig: Rig) -> None:
    rig.add("a")

    assert taken(rig, 0) == []


def test_a_delayed_job_is_taken_when_its_time_has_come(rig: Rig) -> None:
    rig.add("later", due="+1000")
    rig.join("w")

    assert rig.trip("w", 5).wait_ms == 1000
    rig.clock.advance(999)
    assert rig.trip("w", 5).jobs == []
    rig.clock.advance(1)
    assert [job.id for job in rig.trip("w", 5).jobs] == ["later"]


def test_delayed_jobs_become_ready_in_the_order_they_are_due(rig: Rig) -> None:
    rig.add("second", due="+20")
    rig.add("first", due="+10")
    rig.add("urgent", due="+30", priority=1)
    rig.clock.advance(50)

    assert taken(rig) == ["urgent", "first", "second"]


def test_a_promoted_job_lines_up_behind_those_that_were_ready_before(rig: Rig) -> None:
    rig.add("delayed", due="+10")
    rig.add("waiting")
    rig.clock.advance(10)

    assert taken(rig) == ["waiting", "delayed"]


def test_queues_are_served_in_the_order_of_the_worker(rig: Rig) -> None:
    rig.add("a1", "a2", queue="a")
    rig.add("b1", queue="b", priority=4095)

    assert taken(rig, 2, queues=("b", "a")) == ["b1", "a1"]
    assert rig.states("a2", "a") == ["ready"]


def test_each_taken_job_says_its_queue(rig: Rig) -> None:
    rig.add("x", queue="a")
    rig.add("y", queue="b")

    jobs = rig.take("w", 5, queues=("a", "b"))
    assert [(job.queue, job.id) for job in jobs] == [("a", "x"), ("b", "y")]


def test_thirty_two_queues_are_served_in_one_trip(rig: Rig) -> None:
    queues = [f"q{i}" for i in range(32)]
    for queue in queues:
        rig.add("j", queue=queue)

    jobs = rig.take("w", 100, queues=queues)
    assert [job.queue for job in jobs] == queues


def test_a_batch_of_500_is_taken_and_settled_in_one_trip_each(rig: Rig) -> None:
    ids = [f"j{i:03}" for i in range(500)]
    rig.add(*ids)
    jobs = rig.take("w", 500)

    assert [job.id for job in jobs] == ids
    answer = rig.trip("w", 0, [outcome(job, Kind.DONE) for job in jobs])
    assert answer.stale == ()
    assert rig.meta("done") == 500
    assert rig.redis("KEYS", rig.key("job:*")) == []


def test_a_take_stops_after_one_mebibyte_of_payloads(rig: Rig) -> None:
    rig.add("a", "b", "c", "d", payload=b"x" * 600_000)

    assert taken(rig, 10) == ["a", "b"]
    assert rig.ids("ready") == ["c", "d"]


def test_what_goes_back_unrun_keeps_its_place(rig: Rig) -> None:
    rig.add("a", "b", "c")
    first, second = rig.take("w", 2)

    rig.trip("w", 0, [outcome(second, Kind.RELEASED), outcome(first, Kind.RELEASED)])
    assert rig.ids("ready") == ["a", "b", "c"]
    assert taken(rig) == ["a", "b", "c"]


def test_a_paused_queue_gives_nothing_and_the_next_queue_does(rig: Rig) -> None:
    rig.add("held", queue="a")
    rig.add("free", queue="b")
    assert rig.run(calls.pause("a")) is True

    assert taken(rig, 5, queues=("a", "b")) == ["free"]


def test_a_paused_queue_settles_accepts_and_promotes(rig: Rig) -> None:
    rig.add("a")
    [job] = rig.take("w")
    rig.run(calls.pause("q"))
    rig.add("b", due="+5")
    rig.clock.advance(5)

    assert rig.settle("w", job).stale == ()
    assert rig.states("b") == ["ready"]


def test_pausing_and_resuming_say_whether_they_changed_something(rig: Rig) -> None:
    assert rig.run(calls.pause("q", resume=True)) is False
    assert rig.run(calls.pause("q")) is True
    assert rig.meta("paused") == START_MS
    rig.clock.advance(1)
    assert rig.run(calls.pause("q")) is False
    assert rig.meta("paused") == START_MS
    assert rig.run(calls.pause("q", resume=True)) is True
    assert rig.meta("paused") is None


def test_a_ready_id_without_a_record_is_dropped_and_nothing_waits_behind_it(rig: Rig) -> None:
    rig.add("a")
    rig.redis("ZADD", rig.key("ready"), -1, "ghost")
    rig.join("w")

    assert [job.id for job in rig.trip("w", 1).jobs] == ["a"]
    assert rig.states("ghost") == []


def test_a_trip_that_only_moved_jobs_aside_says_that_there_may_be_more(rig: Rig) -> None:
    for n in range(51):
        rig.redis("ZADD", rig.key("ready"), n - 200, f"ghost{n}")
    rig.add("a")
    rig.join("w")

    answer = rig.trip("w", 1)
    assert (answer.jobs, answer.more) == ([], True)
    assert [job.id for job in rig.trip("w", 1).jobs] == ["a"]


def test_a_trip_moves_no_more_than_a_portion_aside_however_much_it_wants(rig: Rig) -> None:
    for n in range(120):
        rig.redis("ZADD", rig.key("ready"), n - 200, f"ghost{n}")
    rig.join("w")

    assert rig.trip("w", 500).more
    assert len(rig.ids("ready")) == 70


def test_a_failed_job_lines_up_anew_when_its_delay_has_passed(rig: Rig) -> None:
    rig.add("a", "b")
    rig.round(Kind.FAILED, 1000)
    assert rig.score("scheduled", "a") == START_MS + 1000
    rig.clock.advance(1000)

    assert taken(rig) == ["b", "a"]


def test_the_lease_of_the_caller_does_not_matter_for_what_it_takes(rig: Rig) -> None:
    rig.add("a")
    rig.join("w", lease_ms=1)
    rig.clock.advance(LEASE_MS)

    assert [job.id for job in rig.trip("w", 1).jobs] == ["a"]
