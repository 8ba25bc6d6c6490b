"""A job that asks to run later: in its old place, free of charge, and out of everybody's way meanwhile."""

from __future__ import annotations

from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.cancels import cancel
from store.queue_system import START_MS, QueueSystem

DELAY_MS = 300_000


def test_a_job_snoozes_as_often_as_it_likes_and_then_runs(system: QueueSystem) -> None:
    system.add("a", key="k", fields=("max_attempts", 1, "max_crashes", 1))
    for n in range(50):
        assert system.round(Kind.SNOOZED, DELAY_MS).snoozes == n, "its worker is told, which knows how often it may"
        assert system.score("scheduled", "a") == START_MS + (n + 1) * DELAY_MS
        system.clock.advance(DELAY_MS)

    assert (system.counters("a"), system.history("a")) == ({"executions": 50, "snoozes": 50}, [])
    assert (system.meta("failed"), system.meta("done")) == (None, None)
    assert not system.add("b", key="k")[0].created, "it still has its coalescing key"
    assert system.round(Kind.DONE).attempt == 51
    assert system.states("a") == []


def test_it_keeps_its_place(system: QueueSystem) -> None:
    system.add("first", "second")
    system.round(Kind.SNOOZED, DELAY_MS)
    system.add("third")
    system.clock.advance(DELAY_MS)

    assert [job.id for job in system.take("w", 3)] == ["first", "second", "third"]


def test_its_place_among_those_that_may_run_at_once_is_free(system: QueueSystem) -> None:
    system.add("a", "b", fields=("limits", "c 1 0 one/running"))
    system.round(Kind.SNOOZED, DELAY_MS)

    assert [job.id for job in system.take("w", 2)] == ["b"]


def test_a_start_of_it_counts_for_a_rate(system: QueueSystem) -> None:
    system.add("a", "b", fields=("limits", "r 1 60000 one/min"))
    system.round(Kind.SNOOZED, DELAY_MS)

    assert system.take("w", 2) == []


def test_who_asks_to_run_later_has_killed_nobody(system: QueueSystem) -> None:
    system.add("a")
    system.redis("HSET", system.key("job:a"), "attempt", 0, "suspect", "1 1", "lost", 3)
    system.round(Kind.SNOOZED, DELAY_MS)

    assert not system.job("a").keys() & {"suspect", "lost"}


def test_a_retry_by_a_person_begins_anew(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.SNOOZED, 0)
    system.round(Kind.DISCARDED)
    system.run(upkeep.retry("q", ["a"]))

    assert system.round(Kind.DONE).snoozes == 0


def test_its_place_is_not_kept_for_the_tries_of_a_later_life(system: QueueSystem) -> None:
    """Cancelled while it was put off, and sent back by a person: when it fails then, it lines up as others do."""
    system.add("a")
    system.round(Kind.SNOOZED, DELAY_MS)
    system.run(cancel("q", ["a"]))
    system.add("b")
    system.run(upkeep.retry("q", ["a"]))
    [b, a] = system.take("w", 2)
    system.settle("w", a, Kind.FAILED, 1000)
    system.settle("w", b, Kind.RELEASED)
    system.clock.advance(1000)

    assert [job.id for job in system.take("w", 2)] == ["b", "a"]
