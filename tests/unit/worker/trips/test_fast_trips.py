"""When a worker makes a fast trip."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls.trips import Trip
from jqjobs.worker.trips.fast_trips import FULL_EVERY_MS, FastTrips

JOB = TakenJob("q", "a", 1, "n", b"{}")
GIVES = Trip(Status.OK, 0, jobs=[JOB], left_in="q")
GIVES_THE_LAST = Trip(Status.OK, 0, jobs=[JOB])
EMPTY = Trip(Status.OK, 0)
REFUSED = Trip(Status.FULL, 0)


@pytest.fixture(params=[False, True])
def fast(request: pytest.FixtureRequest) -> FastTrips:
    """After a whole trip at 0 ms that left jobs; of one queue, of several."""
    made = FastTrips(has_several_queues=request.param)
    made.went_whole(GIVES, 0, 0)
    return made


def alone() -> FastTrips:
    made = FastTrips(has_several_queues=False)
    made.went_whole(GIVES, 0, 0)
    return made


def test_a_fast_trip_follows_one_that_left_plain_jobs(fast: FastTrips) -> None:
    assert (fast.may_go(0), fast.queue) == (True, "q")
    assert fast.went(GIVES, 1)
    assert fast.may_go(FULL_EVERY_MS - 1)


@pytest.mark.parametrize("trip", [GIVES_THE_LAST, EMPTY])
def test_a_whole_one_follows_one_that_left_none(fast: FastTrips, trip: Trip) -> None:
    fast.went_whole(trip, 0, 0)
    assert not fast.may_go(0)


def test_a_whole_one_follows_a_fast_one_that_took_the_last(fast: FastTrips) -> None:
    assert fast.went(GIVES_THE_LAST, 0)
    assert not fast.may_go(0)


def test_the_first_one_of_all_and_after_idling_is_a_whole_one(fast: FastTrips) -> None:
    fast.begin_anew()
    assert not fast.may_go(0)
    assert not FastTrips(has_several_queues=False).may_go(0)


def test_a_worker_of_several_queues_sees_all_of_them_every_so_often() -> None:
    fast = FastTrips(has_several_queues=True)
    fast.went_whole(GIVES, 0, 0)
    assert fast.may_go(FULL_EVERY_MS - 1)
    assert not fast.may_go(FULL_EVERY_MS)


def test_a_worker_of_one_queue_trusts_that_others_make_whole_ones() -> None:
    assert alone().may_go(FULL_EVERY_MS)


@pytest.mark.parametrize("is_fast_between", [False, True], ids=["long jobs", "jobs of half the time"])
def test_where_nobody_does_it_stops_asking_for_a_while(is_fast_between: bool) -> None:
    fast = alone()
    for now_ms in (30, 60):
        assert not is_fast_between or fast.went(GIVES, now_ms - 15)
        assert fast.may_go(now_ms)
        assert not fast.went(REFUSED, now_ms)
        fast.went_whole(GIVES, now_ms, now_ms)
    assert not fast.may_go(90)
    assert fast.may_go(60 + FULL_EVERY_MS - 1), "its own whole one is fresh"
    assert fast.may_go(600)


@pytest.mark.parametrize("answer", [EMPTY, REFUSED])
def test_two_in_vain_are_followed_by_whole_ones_only_for_a_while(fast: FastTrips, answer: Trip) -> None:
    for now_ms in (0, 1):
        assert fast.may_go(now_ms)
        assert not fast.went(answer, now_ms)
        fast.went_whole(GIVES, now_ms, now_ms)
    fast.went_whole(GIVES, 2 * FULL_EVERY_MS, 2 * FULL_EVERY_MS)
    assert not fast.may_go(FULL_EVERY_MS)
    assert fast.may_go(2 * FULL_EVERY_MS)


def test_who_was_refused_goes_on_asking_where_others_make_whole_ones() -> None:
    fast = alone()
    for now_ms in (30, 90):
        assert fast.may_go(now_ms)
        assert not fast.went(REFUSED, now_ms)
        fast.went_whole(GIVES, now_ms, now_ms)
        assert fast.went(GIVES, now_ms + 30)
    assert fast.may_go(130)


def test_one_in_vain_is_chance(fast: FastTrips) -> None:
    for now_ms in (0, 2, 4):
        assert not fast.went(EMPTY, now_ms)
        fast.went_whole(GIVES, now_ms, now_ms)
        assert fast.went(GIVES, now_ms + 1)
    assert fast.may_go(5)
