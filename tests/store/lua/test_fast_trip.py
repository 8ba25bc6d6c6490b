"""lua/fast_trip.lua: between two whole trips, and only there; what it does a whole one would have done too."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from jqjobs.jobs.blame import Scope
from jqjobs.jobs.records import Kind, Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.calls.cancels import cancel
from jqjobs.store.calls.fast_trips import fast_trip
from jqjobs.store.calls.tail import listen
from jqjobs.store.calls.trips import Trip
from jqjobs.store.reads.queues import queue_status
from store.queue_system import QueueSystem, outcome

#: lua/fast_trip.lua: for so long the last whole trip to a queue is enough.
FAST_FOR_MS = 20
OK, FULL = Status.OK, Status.FULL


def fast(
    system: QueueSystem, done: Sequence[TakenJob] = (), want: int = 1, worker: str = "w", number: int | None = None
) -> Trip:
    """Make a fast trip under the worker's next number, or under ``number``."""
    if number is None:
        number = system.trips[worker] = system.trips.get(worker, 0) + 1
    answer: Trip = system.run(fast_trip("q", worker, number, want, done=done))
    return answer


def ids(trip: Trip) -> list[str]:
    return [job.id for job in trip.jobs]


def test_it_settles_what_succeeded_and_takes_the_next(system: QueueSystem) -> None:
    system.add("a")
    system.add("b", name="other", payload=b"\xff \r\n")
    enqueued_ms = system.clock.now_ms
    trip = fast(system, system.take("w"))

    assert (trip.status, trip.stale, trip.left_in) == (OK, (), None)
    assert [(job.queue, job.id, job.attempt, job.name, job.payload, job.ready_ms) for job in trip.jobs] == [
        ("q", "b", 1, "other", b"\xff \r\n", enqueued_ms)
    ]
    assert (system.job("a"), system.ids("active:w")) == ({}, ["b 1"])
    assert system.redis("LRANGE", system.key("succeeded"), 0, -1) == [b"a"]


@pytest.mark.parametrize(("late", "settled"), [("", "abc"), ("b", "ac"), ("abc", "")])
def test_several_are_settled_and_taken_at_once(system: QueueSystem, late: str, settled: str) -> None:
    system.add(*"abcdefg")
    jobs = system.take("w", 3)
    for job_id in late:
        system.redis("ZREM", system.key("active:w"), f"{job_id} 1")
    trip = fast(system, jobs, want=2)

    assert (trip.stale, ids(trip), trip.left_in) == (tuple(late), ["d", "e"], "q")
    assert [job_id for job_id in "abc" if not system.job(job_id)] == list(settled)
    assert system.run(queue_status("q")).done == len(settled)


def test_one_that_comes_too_late_counts_for_nothing_and_the_next_is_taken(system: QueueSystem) -> None:
    system.add("a", "b")
    jobs = system.take("w")
    system.redis("ZREM", system.key("active:w"), "a 1")
    trip = fast(system, jobs)

    assert (trip.stale, ids(trip), system.run(queue_status("q")).done) == (("a",), ["b"], 0)
    assert system.job("a") != {}


def test_within_a_queue_the_order_is_that_of_a_whole_trip(system: QueueSystem) -> None:
    system.add(*"abc")
    jobs = system.take("w")
    system.add("urgent", priority=5)

    assert ids(fast(system, jobs, want=2)) == ["urgent", "b"]


# When it is allowed


@pytest.mark.parametrize(
    ("since_ms", "status"),
    [(0, OK), (FAST_FOR_MS - 1, OK), (FAST_FOR_MS, FULL), (1 - FAST_FOR_MS, OK), (-3_600_000, FULL)],
)
def test_the_last_whole_trip_of_anybody_is_enough_for_a_while(
    system: QueueSystem, since_ms: int, status: Status
) -> None:
    system.add(*"abc")
    jobs = system.take("w")
    system.clock.advance(3_600_000)
    system.take("another")
    system.clock.advance(since_ms)

    assert fast(system, jobs).status is status


def test_who_is_refused_has_settled_and_taken_nothing_and_has_used_the_number_up(system: QueueSystem) -> None:
    system.add("a", "b")
    jobs = system.take("w")
    system.clock.advance(FAST_FOR_MS)
    before = system.everything()
    assert fast(system, jobs, number=7).status is FULL
    changed = {key for key, value in system.everything().items() if value != before[key]}

    assert changed == {system.key("trip:w").encode()}
    system.take("another", want=0)
    assert fast(system, jobs, number=7).status is Status.LATE
    assert system.trip("w", 1, number=8).status is OK


def test_a_worker_without_a_lease_is_fenced_and_a_number_that_was_passed_is_late(system: QueueSystem) -> None:
    system.add("a", "b")
    jobs = system.take("w")
    before = system.everything()
    assert fast(system, jobs, number=system.trips["w"]).status is Status.LATE
    assert system.everything() == before
    system.run(leases.leave("q", "w"))
    before = system.everything()

    assert fast(system, jobs).status is Status.FENCED
    assert system.everything() == before


def paused(system: QueueSystem, in_hand: TakenJob) -> None:
    system.run(upkeep.pause("q"))


def cancelled(system: QueueSystem, in_hand: TakenJob) -> None:
    system.run(cancel("q", [in_hand.id]))


def listened_to(system: QueueSystem, in_hand: TakenJob) -> None:
    system.run(listen("q"))


def with_a_suspect(system: QueueSystem, in_hand: TakenJob) -> None:
    system.take("dead")
    system.run(leases.leave("q", "dead", "died", [BoardEntry("b", 1, "suspect 1 1")]))


@pytest.mark.parametrize("happens", [paused, cancelled])
def test_a_pause_and_a_cancel_are_seen_at_once(system: QueueSystem, happens: object) -> None:
    assert callable(happens)
    system.add(*"abcd")
    jobs = system.take("w")
    happens(system, jobs[0])

    assert fast(system, jobs).status is FULL


@pytest.mark.parametrize("queue", [paused, cancelled, listened_to, with_a_suspect])
def test_while_others_must_see_something_no_whole_trip_allows_fast_ones(system: QueueSystem, queue: object) -> None:
    assert callable(queue)
    system.add(*"abcd")
    jobs = system.take("w")
    queue(system, jobs[0])
    system.clock.advance(FAST_FOR_MS)
    system.take("another")

    assert fast(system, jobs).status is FULL


def test_of_a_job_that_was_cancelled_and_succeeds_nothing_is_left(system: QueueSystem) -> None:
    system.add("a")
    jobs = system.take("w")
    cancelled(system, jobs[0])
    assert fast(system, jobs).status is FULL
    system.settle("w", jobs[0])

    assert (system.states("a"), system.ids("cancels")) == ([], [])
    system.take("another", want=0)
    assert fast(system).status is OK


# What it leaves to whole ones


MORE_THAN_PLAIN = {
    "options": {"fields": ("timeout", 7)}, "a key": {"key": "k"}, "a limit": {"fields": ("limits", "r 2 3000 two/3s")},
}  # fmt: skip


@pytest.mark.parametrize("more", MORE_THAN_PLAIN)
def test_what_is_not_plain_stays_with_all_that_is_behind_it(system: QueueSystem, more: str) -> None:
    system.add("a", "b")
    system.add("c", **MORE_THAN_PLAIN[more])  # type: ignore[arg-type]
    system.add("d")
    jobs = system.take("w")

    assert ids(fast(system, jobs, want=3)) == ["b"]
    trip = fast(system, want=3)
    assert (trip.status, ids(trip), system.ids()) == (OK, [], ["c", "d"])


def test_a_second_attempt_is_not_plain(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.RELEASED)

    assert (ids(fast(system)), system.ids()) == ([], ["a"])


def test_suspects_are_left_to_those_that_ask_for_them(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w")
    with_a_suspect(system, TakenJob("q", "b", 1, "n", b""))
    system.clock.advance(FAST_FOR_MS)

    assert fast(system).status is FULL
    assert ids(system.trip("w", 1, suspects=(1, Scope.WORKER))) == ["b"]


@pytest.mark.parametrize("housekeeping", [True, False])
def test_successes_are_counted_at_once_and_in_their_minute_soon(system: QueueSystem, *, housekeeping: bool) -> None:
    system.add("a", "b")
    fast(system, system.take("w"))
    assert (system.run(queue_status("q")).done, system.meta("done"), system.meta("uncounted")) == (1, None, 1)
    if housekeeping:
        system.tend()
    else:
        system.trip("w")
    minute = system.clock.now_ms // 60_000

    assert (system.run(queue_status("q")).done, system.meta("done"), system.meta("uncounted")) == (1, 1, None)
    assert system.redis("HGET", system.key(f"minute:{minute}"), "done") == b"1"


# Where things are wrong


def test_it_passes_when_redis_is_full(real_system: QueueSystem) -> None:
    real_system.add("a", "b", "c")
    jobs = real_system.take("w")
    real_system.redis("CONFIG", "SET", "maxmemory", 1)
    try:
        jobs = fast(real_system, jobs).jobs
        assert ids(fast(real_system, jobs)) == ["c"]
        real_system.clock.advance(FAST_FOR_MS)
        assert fast(real_system).status is FULL
    finally:
        real_system.redis("CONFIG", "SET", "maxmemory", 0)


@pytest.mark.parametrize(
    ("part", "b", "c"),
    [
        ("ready", [], []),
        ("active:w", ["active:w"], ["ready"]),
        ("meta", ["ready"], ["ready"]),
        ("trip:w", ["active:w"], ["ready"]),
        ("succeeded", ["active:w"], ["ready"]),
        ("job:a", ["active:w"], ["ready"]),
        ("job:b", ["dead"], ["active:w"]),
    ],
)
@pytest.mark.parametrize("kind", [("SET",), ("RPUSH",), ("SADD",)])
def test_what_somebody_writes_over_a_key_costs_no_other_job(
    system: QueueSystem, part: str, b: list[str], c: list[str], kind: tuple[str]
) -> None:
    """The worker goes on as it does: where a fast trip brings nothing, with a whole one."""
    system.add(*"abc")
    jobs = system.take("w")
    system.redis("DEL", system.key(part))
    system.redis(*kind, system.key(part), "damage")
    trip = fast(system, jobs)
    if not trip.jobs:
        system.trip("w", 1, [outcome(job, Kind.DONE) for job in jobs if trip.status is FULL])
    system.redis("DEL", system.key(f"{part}:damaged"))

    assert {job_id: system.states(job_id) for job_id in "abc"} == {"a": [], "b": b, "c": c}
