"""lua/rules/trip/settle_plain.lua, take_plain.lua: plain jobs take a way of their own; nobody can tell from outside."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest

from jqjobs.jobs.blame import Scope
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, trips
from store.queue_system import START_MS, QueueSystem, outcome

#: lua/rules/trip/read_plain.lua: a trip stops with the payload that is over so many bytes of them.
MOST_TAKE_BYTES = 524_288


def done(system: QueueSystem, jobs: list[TakenJob], want: int = 0) -> trips.Trip:
    return system.trip("w", want, [outcome(job, Kind.DONE) for job in jobs])


def test_plain_jobs_and_others_are_taken_in_their_order(system: QueueSystem) -> None:
    system.add("a", "b")
    system.add("c", fields=("timeout", 7))
    system.add("d")
    jobs = system.take("w", 10)

    assert [(job.id, job.timeout_ms) for job in jobs] == [("a", None), ("b", None), ("c", 7), ("d", None)]
    assert system.ids("active:w") == ["a 1", "b 1", "c 1", "d 1"]
    assert system.ids("ready") == []


def test_a_queue_comes_after_the_others_of_the_queue_before_it(system: QueueSystem) -> None:
    system.add("a")
    system.add("b", fields=("timeout", 7))
    system.add("c", queue="r")
    jobs = system.take("w", 10, queues=("q", "r"))

    assert [(job.queue, job.id) for job in jobs] == [("q", "a"), ("q", "b"), ("r", "c")]


def test_plain_jobs_of_several_queues_come_in_the_order_of_the_queues(system: QueueSystem) -> None:
    system.add("a", "b", queue="r")
    system.add("c")
    jobs = system.take("w", 2, queues=("q", "r"))

    assert [(job.queue, job.id) for job in jobs] == [("q", "c"), ("r", "a")]
    assert system.states("b", "r") == ["ready"]


def test_each_plain_job_has_its_name_and_its_payload(system: QueueSystem) -> None:
    long = b"0" * 65  # from here on Redis has the fields of a record in no order
    given = [("a", "x", b"1"), ("b", "x", b"2"), ("c", "y", b"3"), ("d", "x", b"\xff \r\n"), ("e", "x", long)]
    for job_id, name, payload in given:
        system.add(job_id, name=name, payload=payload)

    assert [(job.id, job.name, job.payload) for job in system.take("w", 10)] == given


def test_what_is_like_the_job_before_it_has_its_own_payload_and_moment(system: QueueSystem) -> None:
    """They are read without the names of their fields, which for long payloads come in no order."""
    given = [b"{}", b"{1}", b'{"long":"' + b"x" * 65 + b'"}', b"{2}", b"1700000000000", b"{3}"]
    for at, payload in enumerate(given):
        system.add(f"j{at}", name="1700000000001" if at == 3 else "n", payload=payload)
        system.clock.advance(at % 2)
    jobs = system.take("w", 10)

    assert [job.payload for job in jobs] == given
    assert [job.ready_ms - START_MS for job in jobs] == [0, 0, 1, 1, 2, 2]
    assert [job.name for job in jobs] == ["n", "n", "n", "1700000000001", "n", "n"]


@pytest.mark.parametrize("lost", ["nothing", "enqueued", "payload", "name"])
@pytest.mark.parametrize("payload", [b"{}", b'{"long":"' + b"x" * 65 + b'"}'])
def test_a_job_that_was_taken_before_is_not_taken_for_one_like_that_before_it(
    system: QueueSystem, lost: str, payload: bytes
) -> None:  # fmt: skip
    system.add(*"abc", payload=payload)
    system.redis("HSET", system.key("job:b"), "attempt", 3)
    system.redis("HDEL", system.key("job:b"), lost)

    is_damaged = lost in ("payload", "name")
    healthy = [("a", 1), ("c", 1)] if is_damaged else [("a", 1), ("b", 4), ("c", 1)]
    assert [(job.id, job.attempt) for job in system.take("w", 10)] == healthy
    assert system.states("b") == (["dead"] if is_damaged else ["active:w"])


@pytest.mark.parametrize(
    "ranks",
    [range(8, 32), range(-31, -8), range(1, 300, 7), range(-(2**52) + 90, -(2**52) + 110), range(-5, 10),
     [0.5 + n for n in range(9)], [1.5714285714285714e18], [-math.inf, *range(9), math.inf]],
)  # fmt: skip
def test_jobs_of_a_large_batch_keep_their_ranks(system: QueueSystem, ranks: Sequence[float]) -> None:
    for at, rank in enumerate(ranks):
        system.add(f"j{at:03}")
        system.redis("ZADD", system.key("ready"), rank, f"j{at:03}")
    taken = system.take("w", 400)

    assert [job.id for job in taken] == [f"j{at:03}" for at in range(len(ranks))]
    assert [system.score("active:w", f"{job.id} 1") for job in taken] == list(ranks)


@pytest.mark.parametrize("order", ["abc", "cba", "bca", "b", "ab", "ca"])
def test_successes_count_in_whatever_order_they_are_reported(system: QueueSystem, order: str) -> None:
    system.add(*"abc")
    jobs = {job.id: job for job in system.take("w", 3)}
    trip = done(system, [jobs[job_id] for job_id in order])

    assert trip.stale == ()
    assert system.meta("done") == len(order)
    rest = [job_id for job_id in "abc" if job_id not in order]
    assert system.ids("active:w") == [f"{job_id} 1" for job_id in rest]
    assert [job_id for job_id in "abc" if system.job(job_id)] == rest


@pytest.mark.parametrize("late", ["a", "b", "c", "abc"])
def test_of_successes_that_come_too_late_none_counts_and_the_others_do(system: QueueSystem, late: str) -> None:
    system.add(*"abc")
    jobs = system.take("w", 3)
    for job in jobs:
        if job.id in late:
            system.redis("ZREM", system.key("active:w"), f"{job.id} 1")
    trip = done(system, jobs)

    assert trip.stale == tuple(late)
    assert (system.meta("done") or 0) == 3 - len(late)
    assert [job_id for job_id in "abc" if system.job(job_id)] == list(late)
    assert system.ids("active:w") == []


def test_the_success_of_a_later_attempt_leaves_nothing_behind(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.FAILED, line=b'{"n":1}')
    assert system.round(Kind.DONE).attempt == 2

    assert [key for key in system.everything() if b"job:" in key] == []
    assert system.meta("done") == 1


def test_a_suspect_that_is_done_at_its_second_attempt_leaves_nothing(system: QueueSystem) -> None:
    system.add("a", "b")
    [job] = system.take("gone", 1)
    system.run(leases.leave("q", "gone", "died", [BoardEntry(job.id, 1, "suspect 1 1")]))
    system.join("w")
    [suspect] = system.trip("w", 5, suspects=(1, Scope.WORKER)).jobs

    assert [job.id for job in done(system, [suspect], 5).jobs] == ["b"]
    assert (system.states("a"), system.job("a")) == ([], {})


def test_the_limit_of_bytes_holds_across_plain_jobs_and_others(system: QueueSystem) -> None:
    half = b"x" * (MOST_TAKE_BYTES // 2 + 1)
    system.add("a", payload=half)
    system.add("b", payload=half, fields=("timeout", 7))
    system.add("c")
    system.add("d", queue="r")

    assert [job.id for job in system.take("w", 10, queues=("q", "r"))] == ["a", "b"]


def test_large_payloads_come_one_a_trip_from_all_queues_together_and_none_is_read_in_vain(
    real_system: QueueSystem,
) -> None:
    """Plain jobs, others, suspects: to read, copy and send a payload of a MB takes Redis a millisecond."""
    system, queues, large = real_system, ("q", "r", "s"), b"x" * 1_000_000
    for queue in queues:
        system.add("a", "b", queue=queue, payload=large)
        system.add("c", queue=queue, payload=large, fields=("timeout", 7))
        system.add("d", queue=queue, payload=large, fields=("suspect", "1 1", "attempt", 1))
        system.redis("ZREM", system.key("ready", queue), "d")
        system.redis("ZADD", system.key("suspects", queue), 1, "d")
    system.join("w", queues=queues)
    taken: list[tuple[str, str]] = []
    while len(taken) < 12:
        before = answered_bytes(system)
        jobs = system.trip("w", 100, queues=queues, free=50, suspects=(5, Scope.WORKER)).jobs
        assert len(jobs) == 1
        assert answered_bytes(system) - before < 1_010_000 * 1.5
        taken += [(job.queue, job.id) for job in jobs]
    assert sorted(taken) == [(queue, job_id) for queue in queues for job_id in "abcd"]


def answered_bytes(system: QueueSystem) -> int:
    return int(re.search(rb"total_net_output_bytes:(\d+)", system.redis("INFO", "stats"))[1])  # type: ignore[index]


def test_a_damaged_job_stops_neither_the_plain_ones_before_it_nor_those_after_it(system: QueueSystem) -> None:
    system.add(*"abc")
    system.redis("DEL", system.key("job:b"))
    system.redis("SET", system.key("job:b"), "no hash")

    assert [job.id for job in system.take("w", 10)] == ["a", "c"]
    assert system.states("b") == ["dead"]
    assert system.ids("ready") == []


def test_a_trip_that_leaves_plain_jobs_behind_leaves_the_token(system: QueueSystem) -> None:
    system.add(*"abc")
    system.use_up_token()
    system.take("w", 2)
    assert system.wakes()
    system.take("w", 1)

    assert not system.wakes()


def test_of_a_cancelled_job_that_succeeds_the_mark_goes_with_it(system: QueueSystem) -> None:
    system.add("a", "b")
    jobs = system.take("w", 2)
    system.redis("ZADD", system.key("cancels"), 0, "w a 1")
    done(system, jobs)

    assert system.ids("cancels") == []
