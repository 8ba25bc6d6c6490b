"""Rate limits: who may start, who waits, and that no interval of a limit's length sees more starts than it allows."""

from __future__ import annotations

import random

import pytest

from jqjobs.job import Kind
from jqjobs.limits import RateLimit
from jqjobs.store import calls
from store.rig import START_MS, Rig, outcome

TWO = RateLimit(2, seconds=1).text("api")
ONE = RateLimit(1, seconds=1).text("api")
HOUR_MS = 3_600_000


def timer(rig: Rig, limit: str = "api/1s") -> float | None:
    return rig.score("scheduled", f"~{limit}")


def test_only_as_many_start_as_the_limit_allows_and_the_rest_is_held(rig: Rig) -> None:
    rig.add_limited("a", "b", "c", "d", limits=TWO)

    assert rig.start_all() == ["a", "b"]
    assert rig.ids("held") == rig.ids("held:api/1s") == ["c", "d"]
    assert rig.states("c") == ["held"]


def test_the_next_slot_comes_when_the_window_has_passed_and_a_little_more(rig: Rig) -> None:
    rig.add_limited("a", "b", limits=ONE)
    assert rig.start_all() == ["a"]
    rig.clock.advance(1004)
    assert rig.start_all() == []
    rig.clock.advance(1)

    assert rig.start_all() == ["b"]


@pytest.mark.parametrize(("window_ms", "late_ms"), [(50, 1), (400, 2), (1000, 5), (HOUR_MS, 5)])
def test_a_slot_comes_half_a_percent_late_but_at_most_some_milliseconds(rig: Rig, window_ms: int, late_ms: int) -> None:
    rig.add_limited("a", "b", limits=f"r 1 {window_ms} api/x")
    assert rig.start_all() == ["a"]

    assert timer(rig, "api/x") == START_MS + window_ms + late_ms


def test_an_idle_worker_is_told_when_the_next_slot_comes(rig: Rig) -> None:
    rig.add_limited("a", "b", "c", limits=ONE)
    rig.start_all()
    rig.clock.advance(300)

    assert rig.trip("w", 5).wait_ms == 705
    assert timer(rig) == START_MS + 1005


def test_a_limit_has_one_timer_however_many_wait_and_none_when_nobody_does(rig: Rig) -> None:
    rig.add_limited(*[f"j{n}" for n in range(5)], limits=TWO)
    rig.start_all()
    assert rig.ids("scheduled") == ["~api/1s"]
    for _ in range(2):
        rig.clock.advance(1005)
        rig.start_all()

    assert rig.ids("scheduled") == []
    assert rig.redis("EXISTS", rig.key("gates"), rig.key("held"), rig.key("held:api/1s")) == 0


@pytest.mark.parametrize("most", [1, 3, 7])
def test_no_interval_of_the_window_ever_sees_more_starts(rig: Rig, most: int) -> None:
    rng = random.Random(most)
    limits = RateLimit(most, seconds=0.1).text("api")
    starts: list[int] = []
    for n in range(120):
        rig.add_limited(f"j{n}", limits=limits, priority=rng.choice((0, 0, 1)))
        rig.clock.advance(rng.choice((0, 1, 3, 20, 60)))
        starts += [rig.clock.now_ms] * len(rig.start_all())
    while len(starts) < 120:
        rig.clock.advance(rng.choice((1, 5, 30)))
        starts += [rig.clock.now_ms] * len(rig.start_all())

    assert [b - a for a, b in zip(starts, starts[most:], strict=False) if b - a <= 100] == []


def test_with_free_workers_no_slot_is_wasted(rig: Rig) -> None:
    rig.add_limited(*[f"j{n}" for n in range(100)], limits=RateLimit(10, seconds=1).text("api"))
    for _ in range(10):
        assert len(rig.start_all()) == 10
        rig.clock.advance(1005)


def test_held_jobs_start_in_the_order_of_their_ranks(rig: Rig) -> None:
    rig.add_limited("first", limits=ONE)
    rig.start_all()
    rig.add_limited("low", limits=ONE, priority=-1)
    rig.add_limited("a", "b", limits=ONE)
    rig.add_limited("urgent", limits=ONE, priority=5)
    assert rig.start_all() == []

    started = []
    for _ in range(4):
        rig.clock.advance(1005)
        started += rig.start_all()
    assert started == ["urgent", "a", "b", "low"]


def test_an_urgent_job_that_comes_while_others_are_held_overtakes_them(rig: Rig) -> None:
    rig.add_limited("a", "b", "c", limits=ONE)
    rig.start_all()
    rig.clock.advance(1005)
    rig.add_limited("urgent", limits=ONE, priority=5)

    assert rig.start_all() == ["urgent"]
    rig.clock.advance(1005)
    assert rig.start_all() == ["b"]


def test_a_fresh_job_does_not_overtake_a_held_one_of_its_priority(rig: Rig) -> None:
    rig.add_limited("a", "b", limits=ONE)
    rig.start_all()
    rig.clock.advance(1005)
    rig.redis("ZREM", rig.key("scheduled"), "~api/1s")  # as if the timer had not been looked at yet
    rig.add_limited("fresh", limits=ONE)

    assert rig.start_all() == ["b"]
    assert rig.states("fresh") == ["held"]


def test_what_a_limit_holds_back_does_not_hold_up_what_is_behind_it(rig: Rig) -> None:
    rig.add_limited("a", "b", "c", limits=ONE, priority=1)
    rig.add("free")

    assert rig.start_all() == ["a", "free"]


def test_a_limited_job_is_handed_out_alone(rig: Rig) -> None:
    rig.add("before")
    rig.add_limited("limited", limits=TWO)
    rig.add("behind")

    [before] = rig.take("w", 5)
    [limited] = rig.trip("w", 5, [outcome(before, Kind.DONE)]).jobs
    [behind] = rig.trip("w", 5, [outcome(limited, Kind.DONE)]).jobs
    assert [before.id, limited.id, behind.id] == ["before", "limited", "behind"]


def test_a_limited_job_is_not_prefetched_by_a_worker_that_holds_another_one(rig: Rig) -> None:
    rig.add("running", queue="first")
    rig.add_limited("limited", limits=TWO)

    assert [job.id for job in rig.take("w", 5, queues=("first", "q"))] == ["running"]
    assert rig.states("limited") == ["ready"]


def test_one_limit_serves_all_jobs_and_workers_that_name_it_and_no_others(rig: Rig) -> None:
    rig.add_limited("a", limits=ONE, name="n")
    rig.add_limited("b", limits=ONE, name="m")
    rig.add_limited("other", limits=RateLimit(1, seconds=1).text("other"))
    rig.add_limited("longer", limits=RateLimit(1, seconds=2).text("api"))
    rig.add_limited("elsewhere", limits=ONE, queue="second")

    assert rig.start_all("w1") == ["a", "other", "longer"]
    assert rig.start_all("w2") == []
    assert [job.id for job in rig.take("w3", 5, queues=("second",))] == ["elsewhere"]


def test_jobs_with_different_numbers_under_one_name_count_all_its_starts(rig: Rig) -> None:
    rig.add_limited("a1", "a2", "a3", limits=ONE, priority=-1)
    rig.add_limited("b1", "b2", "b3", limits=RateLimit(3, seconds=1).text("api"))
    assert rig.start_all() == ["b1", "b2", "b3"]
    rig.clock.advance(1005)

    assert rig.start_all() == ["a1"]
    rig.add_limited("b4", "b5", "b6", limits=RateLimit(3, seconds=1).text("api"), priority=1)
    assert rig.start_all() == ["b4", "b5"]


def test_a_job_that_is_given_back_has_used_its_slot(rig: Rig) -> None:
    rig.add_limited("a", limits=ONE)
    [job] = rig.take()
    rig.settle("w", job, Kind.RELEASED)

    assert rig.start_all() == []
    rig.clock.advance(1005)
    assert rig.start_all() == ["a"]


def test_a_second_attempt_is_a_start_like_any_other(rig: Rig) -> None:
    rig.add_limited("a", "b", limits=ONE)
    rig.settle("w", rig.take()[0], Kind.FAILED)
    rig.clock.advance(1005)

    assert rig.start_all() == ["b"]
    rig.clock.advance(1005)
    assert rig.start_all() == ["a"]


def test_a_clock_that_goes_back_holds_nobody_up_for_longer_than_two_windows(rig: Rig) -> None:
    rig.add_limited("a", "b", limits=ONE)
    rig.start_all()
    rig.clock.advance(-HOUR_MS)
    rig.add_limited("c", limits=ONE, priority=1)

    assert rig.start_all() == ["c"]
    rig.clock.advance(-500)
    rig.add_limited("d", limits=ONE, priority=1)
    assert rig.start_all() == []
    rig.clock.advance(1505)
    assert rig.start_all() == ["d"]


def test_the_times_of_starts_are_bounded_and_go_when_nobody_needs_them(rig: Rig) -> None:
    rig.add_limited(*[f"j{n}" for n in range(9)], limits=TWO)
    for _ in range(5):
        rig.start_all()
        rig.clock.advance(1005)

    assert rig.redis("LLEN", rig.key("limit:api/1s")) == 2
    assert 1000 < rig.redis("PTTL", rig.key("limit:api/1s")) <= 61_000


def test_many_timers_that_come_at_once_are_served_a_portion_at_a_time(rig: Rig) -> None:
    for n in range(50):
        rig.redis("LPUSH", rig.key(f"limit:user:{n}/1s"), START_MS)
        rig.add_limited(f"j{n}", limits=RateLimit(1, seconds=1).text(f"user:{n}"))
    assert rig.start_all() == []
    rig.clock.advance(1005)

    assert [rig.tend().more for _ in range(2)] == [True, False]
    assert len(rig.ids("ready")) == 50


def test_a_paused_queue_lets_nobody_go_and_loses_nobody(rig: Rig) -> None:
    rig.add_limited("a", "b", "c", limits=ONE)
    rig.start_all()
    rig.run(calls.pause("q"))
    rig.clock.advance(5000)
    assert rig.start_all() == []
    rig.tend()
    rig.run(calls.pause("q", resume=True))

    assert rig.start_all() == ["b"]
    assert rig.states("c") == ["held"]


def test_housekeeping_lets_the_next_one_go_and_wakes_a_worker(rig: Rig) -> None:
    rig.add_limited("a", "b", limits=ONE)
    rig.start_all()
    rig.use_up_token()
    rig.clock.advance(1005)
    rig.tend()

    assert rig.states("b") == ["ready"]
    assert rig.wakes()


def test_when_the_one_on_its_way_expires_the_next_one_goes(rig: Rig) -> None:
    rig.add_limited("a", limits=ONE)
    rig.add_limited("late", limits=ONE, fields=("expires", "+1500"))
    rig.add_limited("c", limits=ONE)
    rig.start_all()
    rig.clock.advance(1200)
    rig.tend()
    assert rig.states("late") == ["ready"]
    rig.clock.advance(300)

    assert rig.start_all() == ["c"]
    assert rig.job("late")["reason"] == "expired"


def test_when_the_one_on_its_way_vanishes_the_next_one_goes_soon(rig: Rig) -> None:
    rig.add_limited("a", "gone", "c", limits=ONE)
    rig.start_all()
    rig.clock.advance(1005)
    rig.tend()
    rig.redis("ZREM", rig.key("ready"), "gone")
    rig.clock.advance(10_000)

    assert rig.start_all() == ["c"]
