"""A limited job is counted when it is handed out, so a worker only gets it where it can start at once."""

from __future__ import annotations

import pytest

from jqjobs.job import TakenJob
from jqjobs.limits import Concurrency
from store.rig import Rig

TWO = Concurrency(2).text("db")


@pytest.fixture
def busy(rig: Rig) -> tuple[Rig, TakenJob]:
    """A worker that runs one job."""
    rig.add("running")
    [job] = rig.take("w")
    return rig, job


def taken(rig: Rig, want: int, free: int) -> list[str]:
    return [job.id for job in rig.trip("w", want, free=free).jobs]


def test_a_worker_with_a_free_slot_gets_a_limited_job_beside_what_it_runs(busy: tuple[Rig, TakenJob]) -> None:
    rig, _ = busy
    rig.add_limited("a", "b", "c", limits=TWO)
    assert taken(rig, 5, 0) == []
    assert taken(rig, 5, 3) == ["a"], "one in a trip: the next start depends on this one"
    assert taken(rig, 5, 2) == ["b"]
    assert taken(rig, 5, 1) == []
    assert rig.ids("held") == ["c"]


@pytest.mark.parametrize(("free", "expected"), [(3, ["x", "y", "a"]), (2, ["x", "y"]), (1, ["x", "y"])])
def test_what_the_same_trip_takes_before_it_needs_slots_too(
    busy: tuple[Rig, TakenJob], free: int, expected: list[str]
) -> None:
    rig, _ = busy
    rig.add("x", "y")
    rig.add_limited("a", limits=TWO)
    assert taken(rig, 5, free) == expected


def test_jobs_of_other_queues_in_the_same_trip_need_slots_too(rig: Rig) -> None:
    queues = ("p", "q")
    rig.add("first", queue="p")
    rig.join("w", queues=queues)
    rig.add_limited("a", limits=TWO)
    assert [job.id for job in rig.trip("w", 5, queues=queues, free=1).jobs] == ["first"]
    assert [job.id for job in rig.trip("w", 5, queues=queues, free=1).jobs] == ["a"]


def test_a_suspect_stays_alone_however_many_slots_are_free(busy: tuple[Rig, TakenJob]) -> None:
    rig, job = busy
    rig.add("suspect")
    rig.redis("HSET", rig.key("job:suspect"), "suspect", 1, "attempt", 1)
    assert taken(rig, 5, 9) == []
    rig.settle("w", job)
    assert taken(rig, 5, 9) == ["suspect"]
