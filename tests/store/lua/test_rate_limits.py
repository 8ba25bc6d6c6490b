"""Rate limits: who may start, who waits, and that no interval of a limit's length sees more starts than it allows."""

from __future__ import annotations

import random

import pytest

from jqjobs.jobs.limits import RateLimit
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from store.queue_system import START_MS, QueueSystem, outcome

TWO = RateLimit(2, seconds=1).text("api")
ONE = RateLimit(1, seconds=1).text("api")
HOUR_MS = 3_600_000


def timer(system: QueueSystem, limit: str = "api/1s") -> float | None:
    return system.score("scheduled", f"~{limit}")


def test_only_as_many_start_as_the_limit_allows_and_the_rest_is_held(system: QueueSystem) -> None:
    system.add_limited("a", "b", "c", "d", limits=TWO)

    assert system.start_all() == ["a", "b"]
    assert system.ids("held") == system.ids("held:api/1s") == ["c", "d"]
    assert system.states("c") == ["held"]


def test_the_next_slot_comes_when_the_window_has_passed_and_a_little_more(system: QueueSystem) -> None:
    system.add_limited("a", "b", limits=ONE)
    assert system.start_all() == ["a"]
    system.clock.advance(1004)
    assert system.start_all() == []
    system.clock.advance(1)

    assert system.start_all() == ["b"]


@pytest.mark.parametrize(("window_ms", "late_ms"), [(50, 1), (400, 2), (1000, 5), (HOUR_MS, 5)])
def test_a_slot_comes_half_a_percent_late_but_at_most_some_milliseconds(
    system: QueueSystem, window_ms: int, late_ms: int
) -> None:
    system.add_limited("a", "b", limits=f"r 1 {window_ms} api/x")
    assert system.start_all() == ["a"]

    assert timer(system, "api/x") == START_MS + window_ms + late_ms


def test_an_idle_worker_is_told_when_the_next_slot_comes(system: QueueSystem) -> None:
    system.add_limited("a", "b", "c", limits=ONE)
    system.start_all()
    system.clock.advance(300)

    assert system.trip("w", 5).wait_ms == 705
    assert timer(system) == START_MS + 1005


def test_a_limit_has_one_timer_however_many_wait_and_none_when_nobody_does(system: QueueSystem) -> None:
    system.add_limited(*[f"j{n}" for n in range(5)], limits=TWO)
    system.start_all()
    assert system.ids("scheduled") == ["~api/1s"]
    for _ in range(2):
        system.clock.advance(1005)
        system.start_all()

    assert system.ids("scheduled") == []
    assert system.redis("EXISTS", system.key("gates"), system.key("held"), system.key("held:api/1s")) == 0


@pytest.mark.parametrize("most", [1, 3, 7])
def test_no_interval_of_the_window_ever_sees_more_starts(system: QueueSystem, most: int) -> None:
    rng = random.Random(most)
    limits = RateLimit(most, seconds=0.1).text("api")
    starts: list[int] = []
    for n in range(120):
        system.add_limited(f"j{n}", limits=limits, priority=rng.choice((0, 0, 1)))
        system.clock.advance(rng.choice((0, 1, 3, 20, 60)))
        starts += [system.clock.now_ms] * len(system.start_all())
    while len(starts) < 120:
        system.clock.advance(rng.choice((1, 5, 30)))
        starts += [system.clock.now_ms] * len(system.start_all())

    assert [b - a for a, b in zip(starts, starts[most:], strict=False) if b - a <= 100] == []


def test_with_free_workers_no_slot_is_wasted(system: QueueSystem) -> None:
    system.add_limited(*[f"j{n}" for n in range(100)], limits=RateLimit(10, seconds=1).text("api"))
    for _ in range(10):
        assert len(system.start_all()) == 10
        system.clock.advance(1005)


def test_held_jobs_start_in_the_order_of_their_ranks(system: QueueSystem) -> None:
    system.add_limited("first", limits=ONE)
    system.start_all()
    system.add_limited("low", limits=ONE, priority=-1)
    system.add_limited("a", "b", limits=ONE)
    system.add_limited("urgent", limits=ONE, priority=5)
    assert system.start_all() == []

    started = []
    for _ in range(4):
        system.clock.advance(1005)
        started += system.start_all()
    assert started == ["urgent", "a", "b", "low"]


def test_an_urgent_job_that_comes_while_others_are_held_overtakes_them(system: QueueSystem) -> None:
    system.add_limited("a", "b", "c", limits=ONE)
    system.start_all()
    system.clock.advance(1005)
    system.add_limited("urgent", limits=ONE, priority=5)

    assert system.start_all() == ["urgent"]
    system.clock.advance(1005)
    assert system.start_all() == ["b"]


def test_a_fresh_job_does_not_overtake_a_held_one_of_its_priority(system: QueueSystem) -> None:
    system.add_limited("a", "b", limits=ONE)
    system.start_all()
    system.clock.advance(1005)
    system.redis("ZREM", system.key("scheduled"), "~api/1s")  # as if the timer had not been looked at yet
    system.add_limited("fresh", limits=ONE)

    assert system.start_all() == ["b"]
    assert system.states("fresh") == ["held"]


def test_what_a_limit_holds_back_does_not_hold_up_what_is_behind_it(system: QueueSystem) -> None:
    system.add_limited("a", "b", "c", limits=ONE, priority=1)
    system.add("free")

    assert system.start_all() == ["a", "free"]


def test_a_limited_job_is_the_first_in_hand_where_one_slot_may_take_long(system: QueueSystem) -> None:
    system.add("before")
    system.add_limited("limited", limits=TWO)
    system.add("behind")
    system.add_limited("other", limits=TWO)

    [before] = system.take("w", 5)
    limited, behind = system.trip("w", 5, [outcome(before, Kind.DONE)]).jobs
    [other] = system.trip("w", 5, [outcome(limited, Kind.DONE), outcome(behind, Kind.DONE)]).jobs
    assert [before.id, limited.id, behind.id, other.id] == ["before", "limited", "behind", "other"]


def test_a_limited_job_is_not_prefetched_by_a_worker_that_holds_another_one(system: QueueSystem) -> None:
    system.add("running", queue="first")
    system.add_limited("limited", limits=TWO)

    assert [job.id for job in system.take("w", 5, queues=("first", "q"))] == ["running"]
    assert system.states("limited") == ["ready"]


def test_one_limit_serves_all_jobs_and_workers_that_name_it_and_no_others(system: QueueSystem) -> None:
    system.add_limited("a", limits=ONE, name="n")
    system.add_limited("b", limits=ONE, name="m")
    system.add_limited("other", limits=RateLimit(1, seconds=1).text("other"))
    system.add_limited("longer", limits=RateLimit(1, seconds=2).text("api"))
    system.add_limited("elsewhere", limits=ONE, queue="second")

    assert system.start_all("w1") == ["a", "other", "longer"]
    assert system.start_all("w2") == []
    assert [job.id for job in system.take("w3", 5, queues=("second",))] == ["elsewhere"]


def test_jobs_with_different_numbers_under_one_name_count_all_its_starts(system: QueueSystem) -> None:
    system.add_limited("a1", "a2", "a3", limits=ONE, priority=-1)
    system.add_limited("b1", "b2", "b3", limits=RateLimit(3, seconds=1).text("api"))
    assert system.start_all() == ["b1", "b2", "b3"]
    system.clock.advance(1005)

    assert system.start_all() == ["a1"]
    system.add_limited("b4", "b5", "b6", limits=RateLimit(3, seconds=1).text("api"), priority=1)
    assert system.start_all() == ["b4", "b5"]


def test_a_job_that_is_given_back_has_used_its_slot(system: QueueSystem) -> None:
    system.add_limited("a", limits=ONE)
    [job] = system.take()
    system.settle("w", job, Kind.RELEASED)

    assert system.start_all() == []
    system.clock.advance(1005)
    assert system.start_all() == ["a"]


def test_a_second_attempt_is_a_start_like_any_other(system: QueueSystem) -> None:
    system.add_limited("a", "b", limits=ONE)
    system.settle("w", system.take()[0], Kind.FAILED)
    system.clock.advance(1005)

    assert system.start_all() == ["b"]
    system.clock.advance(1005)
    assert system.start_all() == ["a"]


def test_a_clock_that_goes_back_holds_nobody_up_for_longer_than_two_windows(system: QueueSystem) -> None:
    system.add_limited("a", "b", limits=ONE)
    system.start_all()
    system.clock.advance(-HOUR_MS)
    system.add_limited("c", limits=ONE, priority=1)

    assert system.start_all() == ["c"]
    system.clock.advance(-500)
    system.add_limited("d", limits=ONE, priority=1)
    assert system.start_all() == []
    system.clock.advance(1505)
    assert system.start_all() == ["d"]


def test_starts_since_the_clock_went_back_count_on_beside_those_before(system: QueueSystem) -> None:
    system.add_limited("a", limits=TWO)
    system.start_all()
    system.clock.advance(-HOUR_MS)
    system.add_limited("b", "c", "d", limits=TWO, priority=1)

    assert system.start_all() == ["b", "c"]
    system.clock.advance(1005)
    assert system.start_all() == ["d"]


def test_the_times_of_starts_are_bounded_and_go_when_nobody_needs_them(system: QueueSystem) -> None:
    system.add_limited(*[f"j{n}" for n in range(9)], limits=TWO)
    for _ in range(5):
        system.start_all()
        system.clock.advance(1005)

    assert system.redis("LLEN", system.key("limit:api/1s")) == 2
    assert 1000 < system.redis("PTTL", system.key("limit:api/1s")) <= 61_000


def test_many_timers_that_come_at_once_are_served_a_portion_at_a_time(system: QueueSystem) -> None:
    for n in range(50):
        system.redis("LPUSH", system.key(f"limit:user:{n}/1s"), START_MS)
        system.add_limited(f"j{n}", limits=RateLimit(1, seconds=1).text(f"user:{n}"))
    assert system.start_all() == []
    system.clock.advance(1005)

    assert [system.tend().more for _ in range(2)] == [True, False]
    assert len(system.ids("ready")) == 50


def test_a_paused_queue_lets_nobody_go_and_loses_nobody(system: QueueSystem) -> None:
    system.add_limited("a", "b", "c", limits=ONE)
    system.start_all()
    system.run(upkeep.pause("q"))
    system.clock.advance(5000)
    assert system.start_all() == []
    system.tend()
    system.run(upkeep.resume("q"))

    assert system.start_all() == ["b"]
    assert system.states("c") == ["held"]


def test_housekeeping_lets_the_next_one_go_and_wakes_a_worker(system: QueueSystem) -> None:
    system.add_limited("a", "b", limits=ONE)
    system.start_all()
    system.use_up_token()
    system.clock.advance(1005)
    system.tend()

    assert system.states("b") == ["ready"]
    assert system.wakes()


def test_when_the_one_on_its_way_expires_the_next_one_goes(system: QueueSystem) -> None:
    system.add_limited("a", limits=ONE)
    system.add_limited("late", limits=ONE, fields=("expires", "+1500"))
    system.add_limited("c", limits=ONE)
    system.start_all()
    system.clock.advance(1200)
    system.tend()
    assert system.states("late") == ["ready"]
    system.clock.advance(300)

    assert system.start_all() == ["c"]
    assert system.job("late")["reason"] == "expired"


def test_when_the_one_on_its_way_vanishes_the_next_one_goes_soon(system: QueueSystem) -> None:
    system.add_limited("a", "gone", "c", limits=ONE)
    system.start_all()
    system.clock.advance(1005)
    system.tend()
    system.redis("ZREM", system.key("ready"), "gone")
    system.clock.advance(10_000)

    assert system.start_all() == ["c"]
