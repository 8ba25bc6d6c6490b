"""lua/plain.lua and take.lua: plain jobs take a way of their own, and nobody can tell from outside."""

from __future__ import annotations

import pytest

from jqjobs.job import Kind, TakenJob
from jqjobs.store import trips
from store.rig import Rig, outcome

#: lua/plain.lua: a trip takes payloads of about so many bytes.
MOST_TAKE_BYTES = 1_048_576


def done(rig: Rig, jobs: list[TakenJob], want: int = 0) -> trips.Trip:
    return rig.trip("w", want, [outcome(job, Kind.DONE) for job in jobs])


def test_plain_jobs_and_others_are_taken_in_their_order(rig: Rig) -> None:
    rig.add("a", "b")
    rig.add("c", fields=("timeout", 7))
    rig.add("d")
    jobs = rig.take("w", 10)

    assert [(job.id, job.timeout_ms) for job in jobs] == [("a", None), ("b", None), ("c", 7), ("d", None)]
    assert rig.ids("active:w") == ["a 1", "b 1", "c 1", "d 1"]
    assert rig.ids("ready") == []


def test_a_queue_comes_after_the_others_of_the_queue_before_it(rig: Rig) -> None:
    rig.add("a")
    rig.add("b", fields=("timeout", 7))
    rig.add("c", queue="r")
    jobs = rig.take("w", 10, queues=("q", "r"))

    assert [(job.queue, job.id) for job in jobs] == [("q", "a"), ("q", "b"), ("r", "c")]


def test_plain_jobs_of_several_queues_come_in_the_order_of_the_queues(rig: Rig) -> None:
    rig.add("a", "b", queue="r")
    rig.add("c")
    jobs = rig.take("w", 2, queues=("q", "r"))

    assert [(job.queue, job.id) for job in jobs] == [("q", "c"), ("r", "a")]
    assert rig.states("b", "r") == ["ready"]


def test_each_plain_job_has_its_name_and_its_payload(rig: Rig) -> None:
    given = [("a", "x", b"1"), ("b", "x", b"2"), ("c", "y", b"3"), ("d", "x", b"\xff \r\n")]
    for job_id, name, payload in given:
        rig.add(job_id, name=name, payload=payload)

    assert [(job.id, job.name, job.payload) for job in rig.take("w", 10)] == given


@pytest.mark.parametrize("order", ["abc", "cba", "bca", "b", "ab", "ca"])
def test_successes_count_in_whatever_order_they_are_reported(rig: Rig, order: str) -> None:
    rig.add(*"abc")
    jobs = {job.id: job for job in rig.take("w", 3)}
    trip = done(rig, [jobs[job_id] for job_id in order])

    assert trip.stale == ()
    assert rig.meta("done") == len(order)
    rest = [job_id for job_id in "abc" if job_id not in order]
    assert rig.ids("active:w") == [f"{job_id} 1" for job_id in rest]
    assert [job_id for job_id in "abc" if rig.job(job_id)] == rest


@pytest.mark.parametrize("late", ["a", "b", "c", "abc"])
def test_of_successes_that_come_too_late_none_counts_and_the_others_do(rig: Rig, late: str) -> None:
    rig.add(*"abc")
    jobs = rig.take("w", 3)
    for job in jobs:
        if job.id in late:
            rig.redis("ZREM", rig.key("active:w"), f"{job.id} 1")
    trip = done(rig, jobs)

    assert trip.stale == tuple(late)
    assert (rig.meta("done") or 0) == 3 - len(late)
    assert [job_id for job_id in "abc" if rig.job(job_id)] == list(late)
    assert rig.ids("active:w") == []


def test_the_success_of_a_later_attempt_leaves_nothing_behind(rig: Rig) -> None:
    rig.add("a")
    rig.round(Kind.FAILED, line=b'{"n":1}')
    assert rig.round(Kind.DONE).attempt == 2

    assert [key for key in rig.everything() if b"job:" in key] == []
    assert rig.meta("done") == 1


def test_a_worker_that_settles_all_but_a_suspect_takes_nothing(rig: Rig) -> None:
    rig.add("a", "b")
    rig.reaping_works_from_now()
    rig.take("gone", 1)
    rig.outlive_leases()
    [suspect] = rig.take("w", 5)

    assert rig.trip("w", 5).jobs == []
    assert [job.id for job in done(rig, [suspect], 5).jobs] == ["b"]


def test_the_limit_of_bytes_holds_across_plain_jobs_and_others(rig: Rig) -> None:
    half = b"x" * (MOST_TAKE_BYTES // 2 + 1)
    rig.add("a", payload=half)
    rig.add("b", payload=half, fields=("timeout", 7))
    rig.add("c")
    rig.add("d", queue="r")

    assert [job.id for job in rig.take("w", 10, queues=("q", "r"))] == ["a", "b"]


def test_a_damaged_job_stops_neither_the_plain_ones_before_it_nor_those_after_it(rig: Rig) -> None:
    rig.add(*"abc")
    rig.redis("DEL", rig.key("job:b"))
    rig.redis("SET", rig.key("job:b"), "no hash")

    assert [job.id for job in rig.take("w", 10)] == ["a", "c"]
    assert rig.states("b") == ["dead"]
    assert rig.ids("ready") == []


def test_a_trip_that_leaves_plain_jobs_behind_leaves_the_token(rig: Rig) -> None:
    rig.add(*"abc")
    rig.use_up_token()
    rig.take("w", 2)
    assert rig.wakes()
    rig.take("w", 1)

    assert not rig.wakes()


def test_of_a_cancelled_job_that_succeeds_the_mark_goes_with_it(rig: Rig) -> None:
    rig.add("a", "b")
    jobs = rig.take("w", 2)
    rig.redis("ZADD", rig.key("cancels"), 0, "w a 1")
    done(rig, jobs)

    assert rig.ids("cancels") == []
