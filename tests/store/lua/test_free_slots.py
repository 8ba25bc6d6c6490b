"""A limited job is counted when it is handed out, so a worker only gets it where it can start at once."""

from __future__ import annotations

import pytest

from jqjobs.jobs.limits import Concurrency
from jqjobs.jobs.records import TakenJob
from store.queue_system import QueueSystem

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
    assert taken(system, 5, 3) == ["a"], "one in a trip: the next start depends on this one"
    assert taken(system, 5, 2) == ["b"]
    assert taken(system, 5, 1) == []
    assert system.ids("held") == ["c"]


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
