"""lua/recall.lua: what a worker was told not to start goes back, and is refused when it gives it back itself."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls import leases
from jqjobs.store.calls.cancels import CancelAnswer, cancel
from jqjobs.store.calls.recalls import recall
from store.queue_system import QueueSystem, outcome


def give_back(system: QueueSystem, *jobs: TakenJob, worker: str = "w") -> int:
    return system.run(recall("q", worker, [(job.id, job.attempt) for job in jobs]))


def test_what_is_recalled_goes_back_free_and_in_place_and_the_rest_stays(system: QueueSystem) -> None:
    system.add("a", "b", "c", "d")
    running, *behind = system.take("w", 3)

    assert give_back(system, *reversed(behind)) == 2
    assert (system.ids(), system.active()) == (["b", "c", "d"], {"w": [running.id]})
    assert system.counters("b") == system.counters("c") == {}


def test_whoever_takes_it_next_has_another_attempt(system: QueueSystem) -> None:
    system.add("a")
    give_back(system, *system.take("w"))

    assert [(job.id, job.attempt) for job in system.take("v")] == [("a", 2)]


def test_it_wakes_somebody(system: QueueSystem) -> None:
    system.add("a")
    jobs = system.take("w")
    system.use_up_token()

    give_back(system, *jobs)
    assert system.wakes()


def test_what_the_worker_gives_back_itself_later_is_refused(system: QueueSystem) -> None:
    system.add("a", "b")
    jobs = system.take("w", 2)
    give_back(system, *jobs)
    [elsewhere] = system.take("v")

    assert system.trip("w", 0, [outcome(job, Kind.RELEASED) for job in jobs]).stale == ("a", "b")
    assert system.active() == {"v": ["a"]}
    assert system.settle("v", elsewhere).stale == ()


def test_twice_is_once(system: QueueSystem) -> None:
    system.add("a")
    jobs = system.take("w")
    give_back(system, *jobs)
    before = system.everything()

    assert give_back(system, *jobs) == 0
    assert system.everything() == before


def test_a_recall_that_comes_too_late_does_not_touch_the_next_attempt(system: QueueSystem) -> None:
    system.add("a")
    [job] = system.take("w")
    system.settle("w", job, Kind.RELEASED)
    [again] = system.take("w")

    assert give_back(system, job) == 0
    assert (system.active(), again.attempt) == ({"w": ["a"]}, 2)


def test_of_a_worker_without_a_lease_there_is_nothing_to_recall(system: QueueSystem) -> None:
    system.add("a")
    jobs = system.take("w")
    system.run(leases.leave("q", "w"))
    before = system.everything()

    assert give_back(system, *jobs) == 0
    assert system.everything() == before


def test_what_is_cancelled_is_dead_and_has_not_run(system: QueueSystem) -> None:
    system.add("a", key="k")
    jobs = system.take("w")
    assert system.run(cancel("q", ["a"])) == [CancelAnswer.CANCELLING]

    give_back(system, *jobs)
    assert (system.states("a"), system.counters("a")) == (["dead"], {})
    assert (system.job("a")["reason"], system.ids("cancels")) == ("cancelled", [])
    assert system.add("b", key="k")[0].created


def test_its_place_under_a_limit_is_free_for_the_next_one(system: QueueSystem) -> None:
    system.add_limited("a", "b", limits="c 1 0 k/running")
    jobs = system.take("w", 5)
    assert [job.id for job in jobs] == ["a"]

    give_back(system, *jobs)
    assert sorted(system.start_all("v")) == ["a", "b"]


def test_a_job_that_gave_its_key_away_when_it_was_taken_has_it_again(system: QueueSystem) -> None:
    system.add("a", key="k", coalesce="queued")
    give_back(system, *system.take("w"))

    assert not system.add("b", key="k", coalesce="queued")[0].created


@pytest.mark.parametrize("damage", [("SET", "job:a", "x"), ("DEL", "job:a")], ids=["wrong type", "gone"])
def test_a_damaged_job_stops_no_other(system: QueueSystem, damage: tuple[str, ...]) -> None:
    system.add("a", "b")
    jobs = system.take("w", 2)
    system.redis("DEL", system.key("job:a"))
    system.redis(damage[0], system.key(damage[1]), *damage[2:])

    assert give_back(system, *jobs) == 2
    assert system.states("b") == ["ready"]
    assert system.active() == {}
