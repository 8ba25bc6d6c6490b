"""How often a limit holds a job back: counted, bounded by `max_throttles`, an attempt with `throttle_counts`."""

from __future__ import annotations

from typing import Any

from jqjobs.jobs.limits import Concurrency, RateLimit
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import leases, trips, upkeep
from jqjobs.store.reads import jobs
from store.queue_system import LEASE_MS, QueueSystem, outcome

TWO = RateLimit(2, seconds=1).text("api")


def publish(system: QueueSystem, **entry: Any) -> None:
    system.run(leases.publish("q", LEASE_MS, {"n": entry}))


def run_for(system: QueueSystem, windows: int) -> list[str]:
    started = system.start_all()
    for _ in range(windows):
        system.clock.advance(1005)
        started += system.start_all()
    return started


def test_ten_jobs_at_two_a_second_all_run(system: QueueSystem) -> None:
    system.add_limited(*[f"j{n}" for n in range(10)], limits=TWO)

    assert run_for(system, 5) == [f"j{n}" for n in range(10)]
    assert system.ids("dead") == []


def test_where_a_throttle_costs_an_attempt_six_of_ten_run_and_four_are_dead(system: QueueSystem) -> None:
    publish(system, max_attempts=3, throttle_counts=True)
    system.add_limited(*[f"j{n}" for n in range(10)], limits=TWO)

    assert run_for(system, 5) == [f"j{n}" for n in range(6)]
    assert system.ids("dead") == ["j6", "j7", "j8", "j9"]
    assert system.job("j6")["reason"] == "throttled"
    assert system.counters("j6") == {"failures": 3, "throttles": 3}
    assert "api/1s" in system.job("j6")["error"]


def test_throttles_are_counted_by_who_started_meanwhile_and_cost_nothing_by_default(system: QueueSystem) -> None:
    system.add_limited(*[f"j{n}" for n in range(7)], limits=TWO)
    run_for(system, 2)
    info = system.run(jobs.job_info("q", "j6"))

    assert (info.state, info.throttles, info.failures, info.held_by) == ("held", 3, 0, "api/1s")
    system.clock.advance(1005)
    [job] = system.take("w", 5)
    assert (job.id, job.failures) == ("j6", 0)
    assert system.counters("j6") == {"throttles": 3}


def test_a_job_that_was_throttled_may_still_fail_as_often_as_is_left(system: QueueSystem) -> None:
    publish(system, max_attempts=3, throttle_counts=True)
    system.add_limited("a", "b", "c", limits=TWO)
    system.start_all()
    system.clock.advance(1005)
    [job] = system.take("w")
    assert (job.id, job.failures) == ("c", 1)
    system.settle("w", job, Kind.FAILED)
    system.clock.advance(1005)
    [job] = system.take("w")
    system.settle("w", job, Kind.FAILED)

    assert (system.states("c"), system.job("c")["reason"]) == (["dead"], "failed")


def test_max_throttles_bounds_it_without_costing_attempts(system: QueueSystem) -> None:
    publish(system, max_throttles=2)
    system.add_limited(*[f"j{n}" for n in range(6)], limits=TWO)

    assert run_for(system, 3) == ["j0", "j1", "j2", "j3"]
    assert system.ids("dead") == ["j4", "j5"]
    assert system.counters("j4") == {"throttles": 2}
    assert system.redis("EXISTS", system.key("patience:api/1s")) == 0


def test_none_of_many_that_have_waited_too_long_at_once_is_started(system: QueueSystem) -> None:
    publish(system, max_throttles=2)
    system.add_limited(*[f"j{n}" for n in range(40)], limits=TWO)

    assert run_for(system, 4) == ["j0", "j1", "j2", "j3"]
    assert len(system.ids("dead")) == 36


def test_with_one_throttle_allowed_the_first_is_the_last(system: QueueSystem) -> None:
    publish(system, max_throttles=1)
    system.add_limited("a", "b", "c", limits=TWO)

    assert system.start_all() == ["a", "b"]
    assert (system.ids("dead"), system.ids("scheduled")) == (["c"], [])


def test_the_own_limit_of_attempts_of_a_job_is_the_one_that_counts(system: QueueSystem) -> None:
    publish(system, max_attempts=1, throttle_counts=True)
    system.add_limited("a", "b", limits=TWO)
    system.add_limited("patient", limits=TWO, fields=("max_attempts", 5))
    system.start_all()

    assert system.states("patient") == ["held"]


def test_those_whom_urgent_jobs_pass_by_for_ever_do_not_wait_for_ever(system: QueueSystem) -> None:
    publish(system, max_throttles=3)
    system.add_limited("poor", limits=TWO, priority=-1)
    for n in range(8):
        system.add_limited(f"a{n}", f"b{n}", limits=TWO)
        assert system.start_all() == [f"a{n}", f"b{n}"]
        system.clock.advance(1005)

    assert system.job("poor")["reason"] == "throttled"
    assert system.counters("poor") == {"throttles": 3}


def test_a_dead_job_frees_its_key(system: QueueSystem) -> None:
    publish(system, max_throttles=1)
    system.add_limited("a", "b", limits=TWO)
    system.add_limited("c", limits=TWO, key="k")
    system.start_all()

    assert system.states("c") == ["dead"]
    assert system.add("again", key="k")[0].created


def test_a_persons_retry_forgives_the_throttles(system: QueueSystem) -> None:
    publish(system, max_throttles=2, throttle_counts=True)
    system.add_limited(*[f"j{n}" for n in range(5)], limits=TWO)
    run_for(system, 3)
    assert system.ids("dead") == ["j4"]
    system.run(upkeep.retry("q", ["j4"]))
    system.add_limited("x1", "x2", limits=TWO, priority=1)

    assert system.start_all() == ["x1", "x2"]
    assert system.states("j4") == ["held"]
    system.clock.advance(1005)
    assert [job.id for job in system.take("w", 5)] == ["j4"]
    assert system.counters("j4") == {"throttles": 3, "failures": 3}


def test_a_concurrency_limit_throttles_once_for_as_many_starts_as_it_has_places(system: QueueSystem) -> None:
    publish(system, max_throttles=3)
    system.add_limited(*[f"j{n}" for n in range(7)], limits=Concurrency(1).text("db"))
    started = []
    for _ in range(5):
        jobs = system.take("w", 5)
        system.take("v", 5)  # finds the others, which must wait
        started += [job.id for job in jobs]
        if jobs:
            system.settle("w", jobs[0])

    assert started == ["j0", "j1", "j2"]
    assert system.ids("dead") == ["j3", "j4", "j5", "j6"]


def test_a_job_that_only_changes_the_limit_it_waits_for_is_not_throttled_for_that(system: QueueSystem) -> None:
    publish(system, max_throttles=2)
    place, rate = Concurrency(1).text("db"), RateLimit(1, seconds=1).text("api")
    system.add_limited("running", limits=place, priority=1)
    system.add_limited("first", limits=rate, priority=1)
    system.add_limited("both", limits=f"{rate} {place}")
    system.take("w1")
    system.take("w2")
    system.take("w3")
    assert system.ids("held:api/1s") == ["both"]
    system.clock.advance(1005)
    system.take("w3")

    assert system.ids("held:db/running") == ["both"]
    assert system.counters("both") == {"throttles": 1}
    system.trip("w1", 0, in_hand=[])
    system.take("w1")
    assert system.job("both")["reason"] == "throttled"


def test_all_that_have_waited_too_long_are_left_to_hooks_also_when_another_jobs_end_finds_them(
    system: QueueSystem,
) -> None:
    publish(system, max_throttles=2, hooks=True)
    system.add_limited(*[f"j{n}" for n in range(30)], limits=Concurrency(1).text("db"))
    for number in (1, 2):
        [job] = system.take("w", 5)
        system.take("v", 5)
        report = trips.exchange(
            ["q"], "w", 100 * number, 0, LEASE_MS, outcomes=[outcome(job, Kind.DONE)], tell_settled=True
        )  # fmt: skip
        system.run(report)
        system.trips["w"] = 100 * number

    assert len(system.ids("dead")) > 10
    assert len(system.ids("hooks")) == len(system.ids("dead"))
