"""What workers have counted by job name is added up, bounded, and read again."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Kind
from jqjobs.jobs.statistics import OTHER, Ended
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from jqjobs.store.calls.statistics import add_statistics
from jqjobs.store.reads.recent import recent_ends
from jqjobs.store.reads.statistics import NameStatistics, queue_statistics
from store.queue_system import START_MS, QueueSystem

SPAN_MS = 600_000
DAY_MS = 86_400_000


def read(system: QueueSystem) -> dict[str, NameStatistics]:
    return {found.name: found for found in queue_statistics(system.store, ["q"])}


def span(system: QueueSystem) -> str:
    return system.key(f"stats:{system.clock.now_ms // SPAN_MS}")


def test_what_several_workers_count_is_added_up(system: QueueSystem) -> None:
    counted = {
        "a": {"started": 3, "done": 2, "hung": 1, "run_ms": 70, "wait_ms": 9, "run:0": 2, "run:21": 1, "wait:1": 1}
    }
    for _ in range(2):
        system.run(add_statistics("q", counted))
    assert system.run(add_statistics("q", {"b.c-d": {"started": 1}})) == 2

    found = read(system)
    assert found["b.c-d"].started == 1
    assert found["a"][:6] == ("q", "a", 6, {Ended.DONE: 4, Ended.HUNG: 2}, 140, 18)
    assert (found["a"].runs[0], found["a"].runs[21], sum(found["a"].runs)) == (4, 2, 6)
    assert (found["a"].waits[1], sum(found["a"].waits)) == (2, 2)


def test_ten_minutes_are_kept_for_a_day_and_totals_for_good(system: QueueSystem) -> None:
    system.run(add_statistics("q", {"a": {"done": 1}}))
    first = span(system)
    system.clock.advance(SPAN_MS)
    system.run(add_statistics("q", {"a": {"done": 2}}))

    assert system.redis("HGETALL", first) == [b"a done", b"1"]
    assert system.redis("HGETALL", span(system)) == [b"a done", b"2"]
    assert DAY_MS - 10_000 < system.redis("PTTL", first) <= DAY_MS
    assert system.redis("PTTL", system.key("stats")) == -1
    assert int(system.redis("HGET", system.key("stats"), "a since")) == START_MS


def test_from_the_hundred_and_first_name_on_jobs_are_counted_together(system: QueueSystem) -> None:
    names = [f"n{n}" for n in range(103)]
    for done in (1, 2):
        assert system.run(add_statistics("q", {name: {"done": done} for name in names})) == 100

    found = read(system)
    assert sorted(found) == sorted([*names[:100], OTHER])
    assert found["n99"].ended == {Ended.DONE: 3}
    assert found[OTHER].ended == {Ended.DONE: 9}


def test_a_plain_job_says_since_when_it_waits(system: QueueSystem) -> None:
    for ids in (["a", "b"], ["c"]):
        system.add(*ids)
        system.clock.advance(50)
    assert [(job.id, job.ready_ms - START_MS) for job in system.take(want=9)] == [("a", 0), ("b", 0), ("c", 50)]


def test_a_job_that_was_due_later_waits_since_then(system: QueueSystem) -> None:
    system.add("a", due="+1000")
    system.clock.advance(1500)
    [job] = system.take()
    assert job.ready_ms == START_MS + 1000


def test_what_failed_waits_since_it_is_due_again(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.FAILED, 2000)
    system.clock.advance(2500)
    [job] = system.take()
    assert job.ready_ms == START_MS + 2000


@pytest.mark.parametrize("kind", [Kind.INTERRUPTED, Kind.RELEASED])
def test_what_comes_back_without_having_been_due_again_is_not_said_to_have_waited(
    system: QueueSystem, kind: Kind
) -> None:
    system.add("a")
    system.round(kind)
    system.clock.advance(2500)
    [job] = system.take()
    assert job.ready_ms == 0


def test_what_ends_with_its_worker_is_counted_where_it_is_found(system: QueueSystem) -> None:
    words = {
        "crashed": "crashed", "hung": "hung", "interrupted": "interrupted", "neighbour": "interrupted",
        "suspect 1 1": "interrupted", "cancelled": "cancelled", "unstarted": "", "succeeded": "", "failed": "",
    }  # fmt: skip
    for n, word in enumerate(words):
        system.add(str(n), name=word.split()[0])
    jobs = system.take(want=len(words))
    board = [BoardEntry(job.id, job.attempt, word) for job, word in zip(jobs, words, strict=True)]
    system.run(leases.leave("q", "w", "killed", board, "", 0.5))

    expected = {word.split()[0]: end for word, end in words.items() if end}
    assert {name: found.ended for name, found in read(system).items()} == {
        name: {Ended(end): 1} for name, end in expected.items()
    }
    assert {end.name: end.outcome for end in recent_ends(system.store, ["q"])} == expected


def test_a_lost_lease_interrupts_and_what_is_late_expires(system: QueueSystem) -> None:
    system.add("a")
    system.take()
    system.reaping_works_from_now()
    system.outlive_leases()
    system.redis("DEL", system.key("suspects"), system.key("ready"))
    system.add("b", name="late", fields=("expires", "+1000"))
    system.clock.advance(2000)
    system.take("v")

    assert {name: found.ended for name, found in read(system).items()} == {
        "n": {Ended.INTERRUPTED: 1},
        "late": {Ended.EXPIRED: 1},
    }
