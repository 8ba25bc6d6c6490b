"""A job for which there is no memory: put off free of charge and in its place, or dead because it never fits."""

from __future__ import annotations

import pytest

from jqjobs.job import Kind
from jqjobs.store import calls
from store.rig import START_MS, Rig

DELAY_MS = 2000


def test_a_deferred_job_is_due_after_its_delay_and_nobody_gets_it_before(rig: Rig) -> None:
    rig.add("a")
    rig.round(Kind.DEFERRED, DELAY_MS)

    assert rig.states("a") == ["scheduled"]
    assert rig.score("scheduled", "a") == START_MS + DELAY_MS
    rig.clock.advance(DELAY_MS - 1)
    assert rig.take("w") == []
    rig.clock.advance(1)
    assert [job.id for job in rig.take("w")] == ["a"]


def test_a_deferral_is_free_of_charge(rig: Rig) -> None:
    rig.add("a", key="k", fields=("max_attempts", 1, "max_crashes", 1))
    for _ in range(30):
        rig.round(Kind.DEFERRED, DELAY_MS)
        rig.clock.advance(DELAY_MS)

    assert (rig.counters("a"), rig.history("a")) == ({}, [])
    assert "error" not in rig.job("a")
    assert (rig.meta("failed"), rig.meta("done")) == (None, None)
    assert not rig.add("b", key="k")[0].created, "it still holds its coalescing key"
    assert rig.round(Kind.DONE).attempt == 31


@pytest.mark.parametrize("priority", [0, 7])
def test_a_deferred_job_keeps_its_place(rig: Rig, priority: int) -> None:
    rig.add("first", "second", priority=priority)
    place = rig.score("ready", "first")
    rig.round(Kind.DEFERRED, DELAY_MS)
    rig.add("third", priority=priority)
    rig.clock.advance(DELAY_MS)

    assert [job.id for job in rig.take("w", 3)] == ["first", "second", "third"]
    assert rig.score("active:w", "first 2") == place


def test_what_is_behind_a_deferred_job_is_not_held_up_by_it(rig: Rig) -> None:
    rig.add("large", "small")
    rig.round(Kind.DEFERRED, DELAY_MS)

    assert [job.id for job in rig.take("w", 2)] == ["small"]


def test_a_deferral_without_delay_is_ready_again_in_the_same_trip(rig: Rig) -> None:
    rig.add("a", "b")
    rig.round(Kind.DEFERRED)

    assert rig.ids("ready") == ["a", "b"]


def test_a_deferred_job_that_expires_meanwhile_is_not_run(rig: Rig) -> None:
    rig.add("a", fields=("expires", "+1000"))
    rig.round(Kind.DEFERRED, DELAY_MS)
    rig.clock.advance(DELAY_MS)

    assert rig.take("w") == []
    assert (rig.states("a"), rig.job("a")["reason"]) == (["dead"], "expired")


def test_a_suspect_is_still_one_after_a_deferral(rig: Rig) -> None:
    rig.reaping_works_from_now()
    rig.add("a", "b")
    rig.take("gone", 1)
    rig.outlive_leases()
    rig.round(Kind.DEFERRED)

    assert rig.job("a")["suspect"] == "1"
    assert [job.id for job in rig.take("w", 2)] == ["a"], "taken alone"


def test_an_oversized_job_is_dead_and_says_why(rig: Rig) -> None:
    rig.add("a", key="k")
    line = b'{"attempt":1,"reason":"oversized"}'
    rig.round(Kind.OVERSIZED, text="needs 9 GB", line=line)

    assert rig.states("a") == ["dead"]
    assert rig.score("dead", "a") == START_MS
    stored = rig.job("a")
    assert (stored["reason"], stored["error"], stored["finished"]) == ("oversized", "needs 9 GB", str(START_MS))
    assert rig.history("a") == [{"attempt": 1, "reason": "oversized"}]
    assert rig.counters("a") == {}, "it never ran"
    assert rig.meta("failed") == 1
    assert rig.add("b", key="k")[0].created


def test_an_oversized_job_can_be_sent_again_when_there_is_a_larger_machine(rig: Rig) -> None:
    rig.add("a")
    rig.round(Kind.OVERSIZED)
    rig.run(calls.retry("q", ["a"]))

    assert rig.round(Kind.DONE).attempt == 2
    assert rig.states("a") == []


@pytest.mark.parametrize("kind", [Kind.DEFERRED, Kind.OVERSIZED])
def test_a_late_report_of_a_superseded_attempt_changes_nothing(rig: Rig, kind: Kind) -> None:
    rig.add("a")
    [old] = rig.take("w")
    rig.settle("w", old, Kind.RELEASED)
    [new] = rig.take("w")
    before = rig.job("a")

    assert rig.settle("w", old, kind, DELAY_MS).stale == ("a",)
    assert (rig.job("a"), rig.states("a")) == (before, ["active:w"])
    assert rig.settle("w", new).stale == ()
