"""Jobs whose arguments do not fit a worker's function: parked, freed by another signature, or dead."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.jobs.blame import Scope
from jqjobs.jobs.records import Coalesce, Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.calls.cancels import CancelAnswer, cancel
from store.queue_system import LEASE_MS, START_MS, QueueSystem, misfit

DAY_MS = 86_400_000


def publish(system: QueueSystem, *signatures: str, name: str = "n") -> None:
    """Workers with these functions are ready."""
    for signature in signatures:
        system.run(leases.publish("q", LEASE_MS, {name: {"signature": signature}}))


def renew(system: QueueSystem, *signatures: str) -> None:
    """They are still there."""
    system.offer("n", *(f"n {signature}" for signature in signatures))


def refuse(system: QueueSystem, signature: str = "old", park_ms: int = DAY_MS, **said: Any) -> None:
    """Take the one ready job and report that its arguments do not fit."""
    [job] = system.take("w")
    assert system.trip("w", 0, [misfit(job, signature, park_ms, **said)]).stale == ()


def park(system: QueueSystem, job_id: str = "a", **job: Any) -> None:
    system.add(job_id, **job)
    refuse(system)


def come_due(system: QueueSystem) -> float:
    """Let the job's moment in scheduled come; return how long that took, ms."""
    wait_ms = (system.score("scheduled", "a") or 0) - system.clock.now_ms
    system.clock.advance(int(wait_ms))
    system.tend()
    return wait_ms


# Parked


def test_a_misfit_is_parked_with_the_reason_and_free_of_charge(system: QueueSystem) -> None:
    publish(system, "old")
    park(system)

    assert system.states("a") == ["parked"]
    assert system.job("a")["error"] == "why"
    assert system.counters("a") == {}
    assert system.history("a") == []
    assert system.score("misfits", "a") == START_MS + DAY_MS


def test_another_signature_frees_it_in_its_place(system: QueueSystem) -> None:
    publish(system, "old")
    park(system)
    system.add("late")
    publish(system, "new")
    system.tend()

    assert system.ids("ready") == ["a", "late"]
    assert system.ids("misfits") == []
    assert "rank" not in system.job("a")


@pytest.mark.parametrize("other", [("n", "old"), ("else", "new")])
def test_the_signature_that_refused_it_or_that_of_another_name_does_not(
    system: QueueSystem, other: tuple[str, str]
) -> None:
    park(system)
    publish(system, other[1], name=other[0])
    system.tend()

    assert system.states("a") == ["parked"]


def test_a_signature_that_comes_back_after_its_offer_ended_frees_it_too(system: QueueSystem) -> None:
    publish(system, "new")
    system.join("w")
    system.clock.advance(LEASE_MS)
    park(system)
    assert system.states("a") == ["parked"]
    renew(system, "new")
    system.tend()

    assert system.states("a") == ["ready"]


def test_each_new_signature_frees_it_once(system: QueueSystem) -> None:
    park(system)
    for signature in ("second", "third"):
        publish(system, signature)
        system.tend()
        refuse(system, signature)
        assert system.states("a") == ["parked"]
    renew(system, "old", "second", "third")
    publish(system, "second")
    system.tend()

    assert system.states("a") == ["parked"]


def test_it_remembers_the_last_twenty_signatures(system: QueueSystem) -> None:
    park(system)
    for n in range(20):
        publish(system, f"s{n}")
        system.tend()
        refuse(system, f"s{n}")

    assert system.job("a")["refused"].split(" ")[2:] == [f"s{n}" for n in range(20)]


# A mixed fleet


def test_while_another_signature_is_offered_it_comes_back_ever_later(system: QueueSystem) -> None:
    system.reaping_works_from_now()
    system.add("a")
    publish(system, "old", "new")
    waits = []
    for _ in range(9):
        refuse(system)
        waits.append(come_due(system) / 1000)
        renew(system, "old", "new")

    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert system.ids("ready") == ["a"]


def test_once_the_other_one_has_refused_it_too_it_is_parked(system: QueueSystem) -> None:
    system.add("a")
    publish(system, "old", "new")
    refuse(system, "old")
    come_due(system)
    refuse(system, "new")

    assert system.states("a") == ["parked"]


def test_a_new_chance_begins_with_the_short_wait_again(system: QueueSystem) -> None:
    system.add("a")
    publish(system, "old", "new")
    for _ in range(3):
        refuse(system, "old")
        come_due(system)
    refuse(system, "new")
    publish(system, "newest")
    system.tend()
    refuse(system, "old")

    assert come_due(system) == 500


def test_parked_for_its_name_a_misfit_stays_one(system: QueueSystem) -> None:
    publish(system, "old")
    park(system)
    publish(system, "new")
    system.tend()
    [job] = system.take("w")
    system.clock.advance(LEASE_MS)
    system.settle("w", job, Kind.UNKNOWN)

    assert system.states("a") == ["parked"]
    assert system.score("misfits", "a") == START_MS + DAY_MS


# Dead


def test_when_it_was_parked_for_too_long_it_is_discarded(system: QueueSystem) -> None:
    park(system)
    system.clock.advance(DAY_MS - 1)
    system.tend()
    assert system.states("a") == ["parked"]
    system.clock.advance(1)
    system.tend()

    assert system.states("a") == ["dead"]
    job = system.job("a")
    assert (job["reason"], job["error"]) == ("discarded", "no worker took it while it was parked: why")
    assert system.ids("misfits") == []


def test_its_time_runs_from_the_first_refusal(system: QueueSystem) -> None:
    publish(system, "old")
    park(system)
    system.clock.advance(DAY_MS - 1000)
    publish(system, "new")
    system.tend()
    system.clock.advance(1000)
    refuse(system, "old")

    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "discarded")


def test_without_time_to_be_parked_it_is_dead_at_once(system: QueueSystem) -> None:
    publish(system, "old", "new")
    system.add("a")
    refuse(system, park_ms=0)

    assert system.states("a") == ["dead"]


def test_what_nobody_has_checked_is_dead_at_once(system: QueueSystem) -> None:
    publish(system, "old")
    system.push({"job": "n", "id": "a", "kwargs": {"typo": 1}})
    system.ingest()
    refuse(system, is_checked=False, line=b'{"reason":"failed"}')

    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "discarded")
    assert system.counters("a") == {"failures": 1, "executions": 1}
    assert system.history("a") == [{"reason": "failed"}]


def test_what_nobody_has_checked_waits_while_another_signature_may_take_it(system: QueueSystem) -> None:
    publish(system, "old", "new")
    system.add("a")
    refuse(system, "old", is_checked=False)
    assert system.states("a") == ["scheduled"]
    come_due(system)
    refuse(system, "new", is_checked=False)

    assert system.states("a") == ["dead"]


# What else happens to it


@pytest.mark.parametrize("mode", Coalesce)
def test_parked_it_gives_its_key_away(system: QueueSystem, mode: Coalesce) -> None:
    park(system, key="k", coalesce=mode)
    [other] = system.add("b", key="k", coalesce=mode, replace=True)

    assert (other.created, other.replaced) == (True, False)


def test_freed_it_has_its_key_again(system: QueueSystem) -> None:
    park(system, key="k")
    publish(system, "new")
    system.tend()

    assert not system.add("b", key="k")[0].created


def test_freed_it_leaves_its_key_to_who_has_it_by_now(system: QueueSystem) -> None:
    park(system, key="k")
    system.add("b", key="k")
    publish(system, "new")
    system.tend()

    assert system.redis("HGET", system.key("unique"), "k") == b"b"
    assert system.ids("ready") == ["a", "b"]


def test_waiting_for_another_worker_it_keeps_its_key(system: QueueSystem) -> None:
    publish(system, "old", "new")
    park(system, key="k", coalesce="queued")

    assert system.add("b", key="k")[0].id == "a"


def test_parked_it_can_be_cancelled(system: QueueSystem) -> None:
    park(system)

    assert system.run(cancel("q", ["a"])) == [CancelAnswer.CANCELLED]
    assert (system.states("a"), system.ids("misfits")) == (["dead"], [])


def test_discarded_and_retried_its_time_begins_anew(system: QueueSystem) -> None:
    park(system)
    system.clock.advance(DAY_MS)
    system.tend()
    assert system.run(upkeep.retry("q", ["a"])) == [1]
    refuse(system)

    assert system.states("a") == ["parked"]
    assert system.score("misfits", "a") == START_MS + 2 * DAY_MS


def test_what_ran_is_no_misfit_any_more(system: QueueSystem) -> None:
    publish(system, "old")
    park(system)
    publish(system, "new")
    system.tend()
    system.round(Kind.FAILED)
    assert "refused" not in system.job("a")
    refuse(system, "old")

    assert come_due(system) == 500


def test_a_suspect_that_does_not_fit_stays_a_suspect(system: QueueSystem) -> None:
    system.add("a")
    system.take("w0")
    system.run(leases.leave("q", "w0", "gone", [BoardEntry("a", 1, "suspect 1 2")]))
    system.join("w")
    [suspect] = system.trip("w", 1, suspects=(1, Scope.DAEMON)).jobs
    system.trip("w", 0, [misfit(suspect)])
    assert system.states("a") == ["parked"]
    publish(system, "new")
    system.tend()

    assert system.states("a") == ["suspects"]
