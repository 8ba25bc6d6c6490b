"""What a settle tells of a job's fate, and the deaths that wait for a worker to call their hooks."""

from __future__ import annotations

import pytest

from jqjobs.job import Kind, Outcome, TakenJob
from jqjobs.store import calls, trips
from jqjobs.store.calls import BoardEntry
from jqjobs.store.deaths import Death, deaths
from jqjobs.store.trips import Trip
from store.rig import LEASE_MS, Rig, outcome


def report(rig: Rig, *outcomes: Outcome, tell_fates: bool = True) -> Trip:
    number = rig.trips["w"] = rig.trips["w"] + 1
    return rig.run(trips.exchange(["q"], "w", number, 0, LEASE_MS, outcomes=outcomes, tell_fates=tell_fates))


def offer_hooks(rig: Rig, *names: str) -> None:
    rig.run(calls.publish("q", LEASE_MS, {name: {"hooks": True} for name in names or ("n",)}))


def taken(rig: Rig, *ids: str, **job: object) -> list[TakenJob]:
    rig.add(*ids, **job)  # type: ignore[arg-type]
    return rig.take(want=len(ids))


def crash(rig: Rig, job_id: str = "a", mode: str = "crash") -> None:
    """Take a job and let its worker die of it."""
    rig.trips.pop("w", None)
    worker = f"w{len(rig.redis('KEYS', rig.key('trip:*')))}"
    rig.join(worker)
    [job] = rig.trip(worker, 1).jobs
    assert job.id == job_id
    rig.run(calls.leave("q", worker, mode, "killed", [BoardEntry(job_id, job.attempt, "running")]))


def waiting(rig: Rig) -> list[str]:
    return rig.ids("hooks")


def collect(rig: Rig, *names: str, most: int = 10) -> list[Death]:
    return rig.run(deaths("q", names or ("n",), most))  # type: ignore[no-any-return]


# Fates


@pytest.mark.parametrize(
    ("kind", "number", "fate"),
    [
        (Kind.FAILED, 500, ("scheduled", "")), (Kind.FAILED, 0, ("ready", "")), (Kind.HUNG, 0, ("ready", "")),
        (Kind.DISCARDED, 0, ("dead", "discarded")), (Kind.INTERRUPTED, 0, ("ready", "")),
        (Kind.KEPT, 500, ("kept", "")), (Kind.MALFORMED, 0, ("gone", "")), (Kind.UNKNOWN, 0, ("parked", "")),
    ],
)  # fmt: skip
def test_a_settle_that_is_asked_tells_where_the_job_went(
    rig: Rig, kind: Kind, number: int, fate: tuple[str, str]
) -> None:
    [job] = taken(rig, "a")
    assert report(rig, outcome(job, kind, number)).fates == {"a": fate}
    assert rig.states("a") == ([] if fate[0] == "gone" else [fate[0]])


def test_the_last_failure_tells_that_it_was_the_last(rig: Rig) -> None:
    rig.add("a", "b", fields=("max_attempts", 2))
    seen = []
    for _ in range(2):
        jobs = rig.take(want=2)
        seen.append(report(rig, outcome(jobs[0], Kind.FAILED), outcome(jobs[1], Kind.HUNG)).fates)
    assert seen == [{"a": ("ready", ""), "b": ("ready", "")}, {"a": ("dead", "failed"), "b": ("dead", "hung")}]


def test_nothing_is_told_of_what_came_too_late_nor_of_plain_successes(rig: Rig) -> None:
    first, second = taken(rig, "a", "b")
    late = Outcome("q", "a", 7, Kind.FAILED)
    answer = report(rig, late, outcome(second, Kind.DONE))
    assert (answer.stale, answer.fates) == (("a",), {})
    assert report(rig, outcome(first, Kind.FAILED), tell_fates=False).fates == {}


# Deaths


def test_a_death_by_crash_waits_for_hooks_and_is_handed_out_once(rig: Rig) -> None:
    offer_hooks(rig)
    rig.add("a", payload=b'{"args":[1]}', fields=("max_crashes", 2))
    crash(rig)
    assert waiting(rig) == []
    crash(rig)
    assert rig.states("a") == ["dead"]
    assert waiting(rig) == ["a n"]
    assert collect(rig) == [Death("q", "a", "n", b'{"args":[1]}', 2, 0, "crashed", "killed")]
    assert collect(rig) == []
    assert rig.states("a") == ["dead"]


@pytest.mark.parametrize("mode", ["hung", "crash"])
def test_a_death_at_the_hands_of_the_daemon_waits_for_hooks(rig: Rig, mode: str) -> None:
    offer_hooks(rig)
    rig.add("a", fields=("max_crashes", 1, "max_attempts", 1))
    crash(rig, mode=mode)
    assert [death.reason for death in collect(rig)] == [{"hung": "hung", "crash": "crashed"}[mode]]


def test_a_job_that_expired_waits_for_hooks(rig: Rig) -> None:
    offer_hooks(rig)
    rig.add("a", fields=("expires", "+5"))
    rig.clock.advance(10)
    assert rig.take() == []
    assert [(death.reason, death.attempt) for death in collect(rig)] == [("expired", 0)]


def test_a_death_that_its_worker_hears_of_does_not_wait(rig: Rig) -> None:
    offer_hooks(rig)
    first, second = taken(rig, "a", "b")
    report(rig, outcome(first, Kind.DISCARDED))
    assert waiting(rig) == []
    report(rig, outcome(second, Kind.DISCARDED), tell_fates=False)
    assert waiting(rig) == ["b n"]


def test_in_the_trip_that_hears_of_fates_a_job_that_expires_still_waits_for_hooks(rig: Rig) -> None:
    offer_hooks(rig)
    [job] = taken(rig, "a")
    rig.add("b", fields=("expires", "+5"))
    rig.clock.advance(10)
    number = rig.trips["w"] = rig.trips["w"] + 1
    outcomes = [outcome(job, Kind.DISCARDED)]
    rig.run(trips.exchange(["q"], "w", number, 1, LEASE_MS, outcomes=outcomes, tell_fates=True))
    assert waiting(rig) == ["b n"]


def test_names_without_hooks_leave_nothing(rig: Rig) -> None:
    rig.run(calls.publish("q", LEASE_MS, {"n": {"doc": "no hooks"}}))
    rig.add("a", fields=("max_crashes", 1))
    crash(rig)
    assert rig.states("a") == ["dead"]
    assert waiting(rig) == []


def test_only_the_names_that_are_asked_for_are_handed_out_at_most_so_many(rig: Rig) -> None:
    offer_hooks(rig, "n", "m")
    for name, ids in (("n", "abc"), ("m", "d")):
        rig.add(*ids, name=name)
        for job in rig.take(want=4):
            report(rig, outcome(job, Kind.DISCARDED), tell_fates=False)
            rig.clock.advance(1)
    assert collect(rig, "other") == []
    assert [death.id for death in collect(rig, "n", most=2)] == ["a", "b"]
    assert [death.id for death in collect(rig, "n", "m")] == ["c", "d"]
    assert waiting(rig) == []


def test_what_was_retried_meanwhile_is_dropped(rig: Rig) -> None:
    offer_hooks(rig)
    [job] = taken(rig, "a")
    report(rig, outcome(job, Kind.DISCARDED), tell_fates=False)
    rig.run(calls.retry("q", ["a"]))
    assert collect(rig) == []
    assert waiting(rig) == []


def test_deaths_that_nobody_collects_are_bounded(rig: Rig) -> None:
    offer_hooks(rig)
    for n in range(3):
        ids = [f"j{n}-{i}" for i in range(400)]
        jobs = taken(rig, *ids)
        report(rig, *(outcome(job, Kind.DISCARDED) for job in jobs), tell_fates=False)
        rig.clock.advance(1)
    left = waiting(rig)
    assert len(left) == 1000
    assert "j2-399 n" in left
