"""Who calls the hooks of a dead job: the worker that hears where what it settled went, or who collects deaths."""

from __future__ import annotations

import pytest
from msgspec import structs

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, trips, upkeep
from jqjobs.store.calls.deaths import Death, deaths
from jqjobs.store.calls.trips import Trip
from store.queue_system import LEASE_MS, QueueSystem, outcome


def report(system: QueueSystem, *outcomes: Outcome, tell_settled: bool = True) -> Trip:
    number = system.trips["w"] = system.trips["w"] + 1
    return system.run(trips.exchange(["q"], "w", number, 0, LEASE_MS, outcomes=outcomes, tell_settled=tell_settled))


def offer_hooks(system: QueueSystem, *names: str) -> None:
    system.run(leases.publish("q", LEASE_MS, {name: {"hooks": True} for name in names or ("n",)}))


def taken(system: QueueSystem, *ids: str, **job: object) -> list[TakenJob]:
    system.add(*ids, **job)  # type: ignore[arg-type]
    return system.take(want=len(ids))


def crash(system: QueueSystem, job_id: str = "a", word: str = "crashed") -> None:
    """Take a job and let its worker die of it."""
    system.trips.pop("w", None)
    worker = f"w{len(system.redis('KEYS', system.key('trip:*')))}"
    system.join(worker)
    [job] = system.trip(worker, 1).jobs
    assert job.id == job_id
    system.run(leases.leave("q", worker, "killed", [BoardEntry(job_id, job.attempt, word)]))


def waiting(system: QueueSystem) -> list[str]:
    return system.ids("hooks")


def collect(system: QueueSystem, *names: str, most: int = 10) -> list[Death]:
    return system.run(deaths("q", names or ("n",), most))  # type: ignore[no-any-return]


# What became of outcomes


@pytest.mark.parametrize(
    ("kind", "number", "went"),
    [
        (Kind.FAILED, 500, ("scheduled", "")), (Kind.FAILED, 0, ("ready", "")), (Kind.HUNG, 0, ("ready", "")),
        (Kind.DISCARDED, 0, ("dead", "discarded")), (Kind.INTERRUPTED, 0, ("ready", "")),
        (Kind.KEPT, 500, ("kept", "")), (Kind.MALFORMED, 0, ("gone", "")), (Kind.UNKNOWN, 0, ("parked", "")),
    ],
)  # fmt: skip
def test_a_settle_that_is_asked_tells_where_the_job_went(
    system: QueueSystem, kind: Kind, number: int, went: tuple[str, str]
) -> None:
    [job] = taken(system, "a")
    assert report(system, outcome(job, kind, number)).settled == {"a": went}
    assert system.states("a") == ([] if went[0] == "gone" else [went[0]])


def test_the_last_failure_tells_that_it_was_the_last(system: QueueSystem) -> None:
    system.add("a", "b", fields=("max_attempts", 2))
    seen = []
    for _ in range(2):
        jobs = system.take(want=2)
        seen.append(report(system, outcome(jobs[0], Kind.FAILED), outcome(jobs[1], Kind.HUNG)).settled)
    assert seen == [{"a": ("ready", ""), "b": ("ready", "")}, {"a": ("dead", "failed"), "b": ("dead", "hung")}]


def test_nothing_is_told_of_what_came_too_late_nor_of_plain_successes(system: QueueSystem) -> None:
    first, second = taken(system, "a", "b")
    late = outcome(structs.replace(first, attempt=7), Kind.FAILED)
    answer = report(system, late, outcome(second, Kind.DONE))
    assert (answer.stale, answer.settled) == (("a",), {})
    assert report(system, outcome(first, Kind.FAILED), tell_settled=False).settled == {}


# Deaths


def test_a_death_by_crash_waits_for_hooks_and_is_handed_out_once(system: QueueSystem) -> None:
    offer_hooks(system)
    system.add("a", payload=b'{"args":[1]}', fields=("max_crashes", 2))
    crash(system)
    assert waiting(system) == []
    system.clock.advance(5000)
    system.tend()
    crash(system)
    assert system.states("a") == ["dead"]
    assert waiting(system) == ["a n"]
    assert collect(system) == [Death("q", "a", "n", b'{"args":[1]}', 2, 0, "crashed", "killed", 2)]
    assert collect(system) == []
    assert system.states("a") == ["dead"]


@pytest.mark.parametrize("word", ["hung", "crashed"])
def test_a_death_at_the_hands_of_the_daemon_waits_for_hooks(system: QueueSystem, word: str) -> None:
    offer_hooks(system)
    system.add("a", fields=("max_crashes", 1, "max_attempts", 1))
    crash(system, word=word)
    assert [death.reason for death in collect(system)] == [word]


def test_a_job_that_expired_waits_for_hooks(system: QueueSystem) -> None:
    offer_hooks(system)
    system.add("a", fields=("expires", "+5"))
    system.clock.advance(10)
    assert system.take() == []
    assert [(death.reason, death.attempt) for death in collect(system)] == [("expired", 0)]


def test_a_death_that_its_worker_hears_of_does_not_wait(system: QueueSystem) -> None:
    offer_hooks(system)
    first, second = taken(system, "a", "b")
    report(system, outcome(first, Kind.DISCARDED))
    assert waiting(system) == []
    report(system, outcome(second, Kind.DISCARDED), tell_settled=False)
    assert waiting(system) == ["b n"]


def test_in_the_trip_that_hears_what_was_settled_a_job_that_expires_still_waits_for_hooks(system: QueueSystem) -> None:
    offer_hooks(system)
    [job] = taken(system, "a")
    system.add("b", fields=("expires", "+5"))
    system.clock.advance(10)
    number = system.trips["w"] = system.trips["w"] + 1
    outcomes = [outcome(job, Kind.DISCARDED)]
    system.run(trips.exchange(["q"], "w", number, 1, LEASE_MS, outcomes=outcomes, tell_settled=True))
    assert waiting(system) == ["b n"]


def test_names_without_hooks_leave_nothing(system: QueueSystem) -> None:
    system.run(leases.publish("q", LEASE_MS, {"n": {"doc": "no hooks"}}))
    system.add("a", fields=("max_crashes", 1))
    crash(system)
    assert system.states("a") == ["dead"]
    assert waiting(system) == []


def test_only_the_names_that_are_asked_for_are_handed_out_at_most_so_many(system: QueueSystem) -> None:
    offer_hooks(system, "n", "m")
    for name, ids in (("n", "abc"), ("m", "d")):
        system.add(*ids, name=name)
        for job in system.take(want=4):
            report(system, outcome(job, Kind.DISCARDED), tell_settled=False)
            system.clock.advance(1)
    assert collect(system, "other") == []
    assert [death.id for death in collect(system, "n", most=2)] == ["a", "b"]
    assert [death.id for death in collect(system, "n", "m")] == ["c", "d"]
    assert waiting(system) == []


def test_what_was_retried_meanwhile_is_dropped(system: QueueSystem) -> None:
    offer_hooks(system)
    [job] = taken(system, "a")
    report(system, outcome(job, Kind.DISCARDED), tell_settled=False)
    system.run(upkeep.retry("q", ["a"]))
    assert collect(system) == []
    assert waiting(system) == []


def test_deaths_that_nobody_collects_are_bounded(system: QueueSystem) -> None:
    offer_hooks(system)
    for n in range(3):
        ids = [f"j{n}-{i}" for i in range(400)]
        jobs = taken(system, *ids)
        report(system, *(outcome(job, Kind.DISCARDED) for job in jobs), tell_settled=False)
        system.clock.advance(1)
    left = waiting(system)
    assert len(left) == 1000
    assert "j2-399 n" in left
