"""A limited job is counted when it is handed out, so a worker only gets it where it can start at once."""

from __future__ import annotations

import pytest

from jqjobs.jobs.limits import Concurrency, RateLimit
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls import trips
from store.queue_system import LEASE_MS, QueueSystem, outcome

TWO = Concurrency(2).text("db")


@pytest.fixture
def busy(system: QueueSystem) -> tuple[QueueSystem, TakenJob]:
    """A worker that runs one job."""
    system.add("running")
    [job] = system.take("w")
    return system, job


def taken(system: QueueSystem, want: int, free: int) -> list[str]:
    return [job.id for job in system.trip("w", want, free=free).jobs]


def test_a_worker_with_a_free_slot_gets_a_limited_job_beside_what_it_runs(busy: tuple[QueueSystem, TakenJob]) -> None:
    system, _ = busy
    system.add_limited("a", "b", "c", limits=TWO)
    assert taken(system, 5, 0) == []
    assert taken(system, 5, 1) == ["a"]
    assert taken(system, 5, 3) == ["b"]
    assert system.ids("held") == ["c"]


def test_one_trip_takes_as_many_limited_jobs_as_may_start_and_the_first_start_counts_for_the_next(
    system: QueueSystem,
) -> None:
    system.add_limited("a", "b", "c", limits=TWO)
    system.add("plain")
    system.add_limited("d", limits=Concurrency(1).text("other"))
    system.join("w")
    assert taken(system, 9, 4) == ["a", "b", "plain", "d"]
    assert system.ids("held") == ["c"]


def test_a_worker_with_one_slot_gets_as_many_as_will_have_started_soon(system: QueueSystem) -> None:
    system.add_limited("a", "b", "c", "d", limits=Concurrency(9).text("db"))
    system.join("w")
    soon = [trips.exchange(["q"], "w", n, 9, LEASE_MS, soon=n) for n in (1, 2, 3)]
    assert [[job.id for job in system.run(call).jobs] for call in soon] == [["a"], ["b", "c"], ["d"]]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(RateLimit(99, seconds=0.5), 3), (RateLimit(99, seconds=1), 9), (Concurrency(99), 9)],
    ids=["short", "long", "concurrency"],
)
def test_of_a_rate_with_a_short_window_fewer_start_soon_enough(
    system: QueueSystem, limit: RateLimit | Concurrency, expected: int
) -> None:
    """The slot of the next one comes the less late, see limits/opening.lua."""
    system.add_limited(*[f"j{n}" for n in range(20)], limits=limit.text("api"))
    system.join("w")
    assert len(system.run(trips.exchange(["q"], "w", 1, 20, LEASE_MS, soon=9)).jobs) == expected


def test_who_is_let_go_by_a_start_in_the_same_trip_comes_in_its_place(system: QueueSystem) -> None:
    rate = RateLimit(2, seconds=1).text("r")
    system.add_limited("first", "second", "held", limits=rate)
    assert [job.id for job in system.take("w", 3, free=9)] == ["first", "second"]
    system.add("behind")
    system.clock.advance(1100)
    system.add_limited("later", limits=rate)
    assert taken(system, 9, 9) == ["held", "behind", "later"]


def test_a_trip_moves_fewer_jobs_aside_that_have_several_limits(system: QueueSystem) -> None:
    limits = " ".join(RateLimit(1, seconds=60).text(name) for name in "abcd")
    system.add_limited(*[f"j{n:02}" for n in range(61)], limits=limits)
    assert [job.id for job in system.take("w", 5, free=5)] == ["j00"]
    assert len(system.ids("held")) == 13


@pytest.mark.parametrize(("kind", "is_free"), [(Kind.RELEASED, True), (Kind.INTERRUPTED, False)])
def test_what_a_worker_gives_back_unrun_has_used_no_slot_of_a_rate(
    system: QueueSystem, kind: Kind, is_free: bool
) -> None:
    system.add_limited("a", "b", limits=RateLimit(2, seconds=3600).text("r"))
    first, second = system.take("w", 2, free=2)
    first.taken_ms = second.taken_ms = system.clock.now_ms
    system.clock.advance(1000)
    system.trip("w", 0, [outcome(first, Kind.DONE), outcome(second, kind)])
    assert [job.id for job in system.take("w", 2, free=2)] == (["b"] if is_free else [])


@pytest.mark.parametrize(("free", "expected"), [(3, ["x", "y", "a"]), (2, ["x", "y"]), (1, ["x", "y"])])
def test_what_the_same_trip_takes_before_it_needs_slots_too(
    busy: tuple[QueueSystem, TakenJob], free: int, expected: list[str]
) -> None:
    system, _ = busy
    system.add("x", "y")
    system.add_limited("a", limits=TWO)
    assert taken(system, 5, free) == expected


def test_jobs_of_other_queues_in_the_same_trip_need_slots_too(system: QueueSystem) -> None:
    queues = ("p", "q")
    system.add("first", queue="p")
    system.join("w", queues=queues)
    system.add_limited("a", limits=TWO)
    assert [job.id for job in system.trip("w", 5, queues=queues, free=1).jobs] == ["first"]
    assert [job.id for job in system.trip("w", 5, queues=queues, free=1).jobs] == ["a"]
