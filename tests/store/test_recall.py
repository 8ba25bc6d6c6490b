"""lua/recall.lua: what a worker was told not to start goes back, and is refused when it gives it back itself."""

from __future__ import annotations

import pytest

from jqjobs.job import Kind, TakenJob
from jqjobs.store import calls
from jqjobs.store.cancels import Answer, cancel
from jqjobs.store.recalls import recall
from store.rig import Rig, outcome


def give_back(rig: Rig, *jobs: TakenJob, worker: str = "w") -> int:
    return rig.run(recall("q", worker, [(job.id, job.attempt) for job in jobs]))


def test_what_is_recalled_goes_back_free_and_in_place_and_the_rest_stays(rig: Rig) -> None:
    rig.add("a", "b", "c", "d")
    running, *behind = rig.take("w", 3)

    assert give_back(rig, *reversed(behind)) == 2
    assert (rig.ids(), rig.active()) == (["b", "c", "d"], {"w": [running.id]})
    assert rig.counters("b") == rig.counters("c") == {}


def test_whoever_takes_it_next_has_another_attempt(rig: Rig) -> None:
    rig.add("a")
    give_back(rig, *rig.take("w"))

    assert [(job.id, job.attempt) for job in rig.take("v")] == [("a", 2)]


def test_it_wakes_somebody(rig: Rig) -> None:
    rig.add("a")
    jobs = rig.take("w")
    rig.use_up_token()

    give_back(rig, *jobs)
    assert rig.wakes()


def test_what_the_worker_gives_back_itself_later_is_refused(rig: Rig) -> None:
    rig.add("a", "b")
    jobs = rig.take("w", 2)
    give_back(rig, *jobs)
    [elsewhere] = rig.take("v")

    assert rig.trip("w", 0, [outcome(job, Kind.RELEASED) for job in jobs]).stale == ("a", "b")
    assert rig.active() == {"v": ["a"]}
    assert rig.settle("v", elsewhere).stale == ()


def test_twice_is_once(rig: Rig) -> None:
    rig.add("a")
    jobs = rig.take("w")
    give_back(rig, *jobs)
    before = rig.everything()

    assert give_back(rig, *jobs) == 0
    assert rig.everything() == before


def test_a_recall_that_comes_too_late_does_not_touch_the_next_attempt(rig: Rig) -> None:
    rig.add("a")
    [job] = rig.take("w")
    rig.settle("w", job, Kind.RELEASED)
    [again] = rig.take("w")

    assert give_back(rig, job) == 0
    assert (rig.active(), again.attempt) == ({"w": ["a"]}, 2)


def test_of_a_worker_without_a_lease_there_is_nothing_to_recall(rig: Rig) -> None:
    rig.add("a")
    jobs = rig.take("w")
    rig.run(calls.leave("q", "w", "interrupt"))
    before = rig.everything()

    assert give_back(rig, *jobs) == 0
    assert rig.everything() == before


def test_what_is_cancelled_is_dead_and_has_not_run(rig: Rig) -> None:
    rig.add("a", key="k")
    jobs = rig.take("w")
    assert rig.run(cancel("q", ["a"])) == [Answer.CANCELLING]

    give_back(rig, *jobs)
    assert (rig.states("a"), rig.counters("a")) == (["dead"], {})
    assert (rig.job("a")["reason"], rig.ids("cancels")) == ("cancelled", [])
    assert rig.add("b", key="k")[0].created


def test_its_place_under_a_limit_is_free_for_the_next_one(rig: Rig) -> None:
    rig.add_limited("a", "b", limits="c 1 0 k/running")
    jobs = rig.take("w", 5)
    assert [job.id for job in jobs] == ["a"]

    give_back(rig, *jobs)
    assert sorted(rig.start_all("v")) == ["a", "b"]


def test_a_job_that_gave_its_key_away_when_it_was_taken_has_it_again(rig: Rig) -> None:
    rig.add("a", key="k", coalesce="queued")
    give_back(rig, *rig.take("w"))

    assert not rig.add("b", key="k", coalesce="queued")[0].created


@pytest.mark.parametrize("damage", [("SET", "job:a", "x"), ("DEL", "job:a")], ids=["wrong type", "gone"])
def test_a_damaged_job_stops_no_other(rig: Rig, damage: tuple[str, ...]) -> None:
    rig.add("a", "b")
    jobs = rig.take("w", 2)
    rig.redis("DEL", rig.key("job:a"))
    rig.redis(damage[0], rig.key(damage[1]), *damage[2:])

    assert give_back(rig, *jobs) == 2
    assert rig.states("b") == ["ready"]
    assert rig.active() == {}
