"""How often a limit holds a job back: counted, bounded by `max_throttles`, an attempt with `throttle_counts`."""

from __future__ import annotations

from typing import Any

from jqjobs.job import Kind
from jqjobs.limits import Concurrency, RateLimit
from jqjobs.store import calls, inspect, trips
from store.rig import LEASE_MS, Rig, outcome

TWO = RateLimit(2, seconds=1).text("api")


def publish(rig: Rig, **entry: Any) -> None:
    rig.run(calls.publish("q", LEASE_MS, {"n": entry}))


def run_for(rig: Rig, windows: int) -> list[str]:
    started = rig.start_all()
    for _ in range(windows):
        rig.clock.advance(1005)
        started += rig.start_all()
    return started


def test_ten_jobs_at_two_a_second_all_run(rig: Rig) -> None:
    rig.add_limited(*[f"j{n}" for n in range(10)], limits=TWO)

    assert run_for(rig, 5) == [f"j{n}" for n in range(10)]
    assert rig.ids("dead") == []


def test_where_a_throttle_costs_an_attempt_six_of_ten_run_and_four_are_dead(rig: Rig) -> None:
    publish(rig, max_attempts=3, throttle_counts=True)
    rig.add_limited(*[f"j{n}" for n in range(10)], limits=TWO)

    assert run_for(rig, 5) == [f"j{n}" for n in range(6)]
    assert rig.ids("dead") == ["j6", "j7", "j8", "j9"]
    assert rig.job("j6")["reason"] == "throttled"
    assert rig.counters("j6") == {"failures": 3, "throttles": 3}
    assert "api/1s" in rig.job("j6")["error"]


def test_throttles_are_counted_by_who_started_meanwhile_and_cost_nothing_by_default(rig: Rig) -> None:
    rig.add_limited(*[f"j{n}" for n in range(7)], limits=TWO)
    run_for(rig, 2)
    info = rig.run(inspect.job_info("q", "j6"))

    assert (info.state, info.throttles, info.failures, info.held_by) == ("held", 3, 0, "api/1s")
    rig.clock.advance(1005)
    [job] = rig.take("w", 5)
    assert (job.id, job.failures) == ("j6", 0)
    assert rig.counters("j6") == {"throttles": 3}


def test_a_job_that_was_throttled_may_still_fail_as_often_as_is_left(rig: Rig) -> None:
    publish(rig, max_attempts=3, throttle_counts=True)
    rig.add_limited("a", "b", "c", limits=TWO)
    rig.start_all()
    rig.clock.advance(1005)
    [job] = rig.take("w")
    assert (job.id, job.failures) == ("c", 1)
    rig.settle("w", job, Kind.FAILED)
    rig.clock.advance(1005)
    [job] = rig.take("w")
    rig.settle("w", job, Kind.FAILED)

    assert (rig.states("c"), rig.job("c")["reason"]) == (["dead"], "failed")


def test_max_throttles_bounds_it_without_costing_attempts(rig: Rig) -> None:
    publish(rig, max_throttles=2)
    rig.add_limited(*[f"j{n}" for n in range(6)], limits=TWO)

    assert run_for(rig, 3) == ["j0", "j1", "j2", "j3"]
    assert rig.ids("dead") == ["j4", "j5"]
    assert rig.counters("j4") == {"throttles": 2}
    assert rig.redis("EXISTS", rig.key("patience:api/1s")) == 0


def test_none_of_many_that_have_waited_too_long_at_once_is_started(rig: Rig) -> None:
    publish(rig, max_throttles=2)
    rig.add_limited(*[f"j{n}" for n in range(40)], limits=TWO)

    assert run_for(rig, 4) == ["j0", "j1", "j2", "j3"]
    assert len(rig.ids("dead")) == 36


def test_with_one_throttle_allowed_the_first_is_the_last(rig: Rig) -> None:
    publish(rig, max_throttles=1)
    rig.add_limited("a", "b", "c", limits=TWO)

    assert rig.start_all() == ["a", "b"]
    assert (rig.ids("dead"), rig.ids("scheduled")) == (["c"], [])


def test_the_own_limit_of_attempts_of_a_job_is_the_one_that_counts(rig: Rig) -> None:
    publish(rig, max_attempts=1, throttle_counts=True)
    rig.add_limited("a", "b", limits=TWO)
    rig.add_limited("patient", limits=TWO, fields=("max_attempts", 5))
    rig.start_all()

    assert rig.states("patient") == ["held"]


def test_those_whom_urgent_jobs_pass_by_for_ever_do_not_wait_for_ever(rig: Rig) -> None:
    publish(rig, max_throttles=3)
    rig.add_limited("poor", limits=TWO, priority=-1)
    for n in range(8):
        rig.add_limited(f"a{n}", f"b{n}", limits=TWO)
        assert rig.start_all() == [f"a{n}", f"b{n}"]
        rig.clock.advance(1005)

    assert rig.job("poor")["reason"] == "throttled"
    assert rig.counters("poor") == {"throttles": 3}


def test_a_dead_job_frees_its_key(rig: Rig) -> None:
    publish(rig, max_throttles=1)
    rig.add_limited("a", "b", limits=TWO)
    rig.add_limited("c", limits=TWO, key="k")
    rig.start_all()

    assert rig.states("c") == ["dead"]
    assert rig.add("again", key="k")[0].created


def test_a_persons_retry_forgives_the_throttles(rig: Rig) -> None:
    publish(rig, max_throttles=2, throttle_counts=True)
    rig.add_limited(*[f"j{n}" for n in range(5)], limits=TWO)
    run_for(rig, 3)
    assert rig.ids("dead") == ["j4"]
    rig.run(calls.retry("q", ["j4"]))
    rig.add_limited("x1", "x2", limits=TWO, priority=1)

    assert rig.start_all() == ["x1", "x2"]
    assert rig.states("j4") == ["held"]
    rig.clock.advance(1005)
    assert [job.id for job in rig.take("w", 5)] == ["j4"]
    assert rig.counters("j4") == {"throttles": 3, "failures": 3}


def test_a_concurrency_limit_throttles_once_for_as_many_starts_as_it_has_places(rig: Rig) -> None:
    publish(rig, max_throttles=3)
    rig.add_limited(*[f"j{n}" for n in range(7)], limits=Concurrency(1).text("db"))
    started = []
    for _ in range(5):
        jobs = rig.take("w", 5)
        rig.take("v", 5)  # finds the others, which must wait
        started += [job.id for job in jobs]
        if jobs:
            rig.settle("w", jobs[0])

    assert started == ["j0", "j1", "j2"]
    assert rig.ids("dead") == ["j3", "j4", "j5", "j6"]


def test_a_job_that_only_changes_the_limit_it_waits_for_is_not_throttled_for_that(rig: Rig) -> None:
    publish(rig, max_throttles=2)
    place, rate = Concurrency(1).text("db"), RateLimit(1, seconds=1).text("api")
    rig.add_limited("running", limits=place, priority=1)
    rig.add_limited("first", limits=rate, priority=1)
    rig.add_limited("both", limits=f"{rate} {place}")
    rig.take("w1")
    rig.take("w2")
    rig.take("w3")
    assert rig.ids("held:api/1s") == ["both"]
    rig.clock.advance(1005)
    rig.take("w3")

    assert rig.ids("held:db/running") == ["both"]
    assert rig.counters("both") == {"throttles": 1}
    rig.trip("w1", 0, held=[])
    rig.take("w1")
    assert rig.job("both")["reason"] == "throttled"


def test_all_that_have_waited_too_long_are_left_to_hooks_also_when_another_jobs_end_finds_them(rig: Rig) -> None:
    publish(rig, max_throttles=2, hooks=True)
    rig.add_limited(*[f"j{n}" for n in range(30)], limits=Concurrency(1).text("db"))
    for number in (1, 2):
        [job] = rig.take("w", 5)
        rig.take("v", 5)
        report = trips.exchange(
            ["q"], "w", 100 * number, 0, LEASE_MS, outcomes=[outcome(job, Kind.DONE)], tell_fates=True
        )  # fmt: skip
        rig.run(report)
        rig.trips["w"] = 100 * number

    assert len(rig.ids("dead")) > 10
    assert len(rig.ids("hooks")) == len(rig.ids("dead"))
