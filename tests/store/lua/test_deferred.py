"""A job for which there is no memory: put off free of charge and in its place, or dead because it never fits."""

from __future__ import annotations

import pytest

from jqjobs.jobs.blame import Scope
from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from store.queue_system import START_MS, QueueSystem

DELAY_MS = 2000


def test_a_deferred_job_is_due_after_its_delay_and_nobody_gets_it_before(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.DEFERRED, DELAY_MS)

    assert system.states("a") == ["scheduled"]
    assert system.score("scheduled", "a") == START_MS + DELAY_MS
    system.clock.advance(DELAY_MS - 1)
    assert system.take("w") == []
    system.clock.advance(1)
    assert [job.id for job in system.take("w")] == ["a"]


def test_a_deferral_is_free_of_charge(system: QueueSystem) -> None:
    system.add("a", key="k", fields=("max_attempts", 1, "max_crashes", 1))
    for _ in range(30):
        system.round(Kind.DEFERRED, DELAY_MS)
        system.clock.advance(DELAY_MS)

    assert (system.counters("a"), system.history("a")) == ({}, [])
    assert "error" not in system.job("a")
    assert (system.meta("failed"), system.meta("done")) == (None, None)
    assert not system.add("b", key="k")[0].created, "it still has its coalescing key"
    assert system.round(Kind.DONE).attempt == 31


@pytest.mark.parametrize("priority", [0, 7])
def test_a_deferred_job_keeps_its_place(system: QueueSystem, priority: int) -> None:
    system.add("first", "second", priority=priority)
    place = system.score("ready", "first")
    system.round(Kind.DEFERRED, DELAY_MS)
    system.add("third", priority=priority)
    system.clock.advance(DELAY_MS)

    assert [job.id for job in system.take("w", 3)] == ["first", "second", "third"]
    assert system.score("active:w", "first 2") == place


def test_what_is_behind_a_deferred_job_is_not_held_up_by_it(system: QueueSystem) -> None:
    system.add("large", "small")
    system.round(Kind.DEFERRED, DELAY_MS)

    assert [job.id for job in system.take("w", 2)] == ["small"]


def test_a_deferral_without_delay_is_ready_again_in_the_same_trip(system: QueueSystem) -> None:
    system.add("a", "b")
    system.round(Kind.DEFERRED)

    assert system.ids("ready") == ["a", "b"]


def test_a_deferred_job_that_expires_meanwhile_is_not_run(system: QueueSystem) -> None:
    system.add("a", fields=("expires", "+1000"))
    system.round(Kind.DEFERRED, DELAY_MS)
    system.clock.advance(DELAY_MS)

    assert system.take("w") == []
    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "expired")


def test_a_suspect_is_still_one_after_a_deferral(system: QueueSystem) -> None:
    system.add("a", "b")
    [job] = system.take("gone", 1)
    system.run(leases.leave("q", "gone", "died", [BoardEntry(job.id, 1, "suspect 1 1")]))
    system.join("w")
    [suspect] = system.trip("w", 1, suspects=(1, Scope.WORKER)).jobs
    system.settle("w", suspect, Kind.DEFERRED)

    assert system.job("a")["suspect"] == "1 1"
    assert [job.id for job in system.take("w", 2)] == ["b"]
    assert system.states("a") == ["suspects"]


def test_an_oversized_job_is_dead_and_says_why(system: QueueSystem) -> None:
    system.add("a", key="k")
    line = b'{"attempt":1,"reason":"oversized"}'
    system.round(Kind.OVERSIZED, text="needs 9 GB", line=line)

    assert system.states("a") == ["dead"]
    assert system.score("dead", "a") == START_MS
    stored = system.job("a")
    assert (stored["reason"], stored["error"], stored["finished"]) == ("oversized", "needs 9 GB", str(START_MS))
    assert system.history("a") == [{"attempt": 1, "reason": "oversized"}]
    assert system.counters("a") == {}, "it never ran"
    assert system.meta("failed") == 1
    assert system.add("b", key="k")[0].created


def test_an_oversized_job_can_be_sent_again_when_there_is_a_larger_machine(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.OVERSIZED)
    system.run(upkeep.retry("q", ["a"]))

    assert system.round(Kind.DONE).attempt == 2
    assert system.states("a") == []


@pytest.mark.parametrize("kind", [Kind.DEFERRED, Kind.OVERSIZED])
def test_a_late_report_of_a_superseded_attempt_changes_nothing(system: QueueSystem, kind: Kind) -> None:
    system.add("a")
    [old] = system.take("w")
    system.settle("w", old, Kind.RELEASED)
    [new] = system.take("w")
    before = system.job("a")

    assert system.settle("w", old, kind, DELAY_MS).stale == ("a",)
    assert (system.job("a"), system.states("a")) == (before, ["active:w"])
    assert system.settle("w", new).stale == ()
