"""What costs much is taken some at a time, so that no trip keeps Redis busy for long; nothing is passed over."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Kind
from store.queue_system import QueueSystem, outcome

MANY = 300
LIMITED, OPTIONS = ("limits", "c 999 0 api"), ("timeout", 5000)


@pytest.mark.parametrize(("fields", "most"), [(LIMITED, 64), (OPTIONS, 128)], ids=["limited", "with options"])
def test_of_jobs_that_are_not_plain_a_trip_takes_some_and_says_that_there_are_more(
    system: QueueSystem, fields: tuple[str, ...], most: int
) -> None:
    ids = [f"a{n:03}" for n in range(MANY)]
    system.add(*ids, fields=fields)
    system.join("w")
    taken: list[str] = []
    while len(taken) < MANY:
        trip = system.trip("w", MANY, free=MANY)
        assert trip.more == (len(taken) + len(trip.jobs) < MANY)
        assert len(trip.jobs) == min(most, MANY - len(taken))
        taken += [job.id for job in trip.jobs]
    assert taken == ids


def test_what_a_trip_settles_counts_too_and_it_always_takes_some(system: QueueSystem) -> None:
    system.add(*(f"a{n}" for n in range(2 * MANY)), fields=LIMITED)
    jobs = [job for _ in range(4) for job in system.take("w", MANY, free=MANY)]
    fewer = system.trip("w", MANY, [outcome(job, Kind.FAILED, 1000) for job in jobs[:64]], free=MANY)
    least = system.trip("w", MANY, [outcome(job, Kind.FAILED, 1000) for job in jobs[64:]], free=MANY)

    assert 24 <= len(fewer.jobs) <= 32
    assert len(least.jobs) == 8


def test_what_a_success_lets_go_counts_too_where_a_limit_holds_others_back(system: QueueSystem) -> None:
    system.add(*(f"a{n}" for n in range(MANY)), fields=("limits", "c 100 0 api"))
    jobs = [job for _ in range(3) for job in system.take("w", MANY, free=MANY)]
    assert len(jobs) == 100, "others are held back"
    trip = system.trip("w", MANY, [outcome(job, Kind.DONE) for job in jobs[:64]], free=MANY)

    assert 24 <= len(trip.jobs) <= 32


def test_plain_jobs_of_a_queue_with_less_priority_do_not_overtake_them(system: QueueSystem) -> None:
    system.add(*(f"a{n}" for n in range(MANY)), fields=LIMITED)
    system.add("later", queue="r")
    system.join("w", queues=["q", "r"])
    for _ in range(4):
        assert {job.queue for job in system.trip("w", MANY, free=MANY, queues=["q", "r"]).jobs} == {"q"}
