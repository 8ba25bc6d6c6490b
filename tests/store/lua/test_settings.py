"""What people set for one queue: how long and how many it keeps, and how many jobs may wait in it."""

from __future__ import annotations

import pytest

from jqjobs.errors import StoreFull
from jqjobs.jobs.records import Kind, NewJob
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.enqueueing import enqueue
from jqjobs.store.reads.queues import queue_status
from store.queue_system import QueueSystem


def settle(system: QueueSystem, kind: Kind, *ids: str) -> None:
    for job_id in ids:
        system.add(job_id)
        system.round(kind, 60_000)
        system.clock.advance(1000)


def put(system: QueueSystem, **values: int | None) -> dict[str, int]:
    found: dict[str, int] = system.run(upkeep.settings("q", values))
    return found


def test_settings_are_told_and_taken_away_again(system: QueueSystem) -> None:
    assert put(system, dead_ms=5000, max_dead=2) == {"dead_ms": 5000, "max_dead": 2}
    assert put(system, max_dead=None, max_length=7) == {"dead_ms": 5000, "max_length": 7}
    found = system.run(queue_status("q"))
    assert (found.dead_ms, found.max_dead, found.max_kept, found.max_length) == (5000, None, None, 7)


def test_a_queue_keeps_so_many_dead_as_was_set_for_it(system: QueueSystem) -> None:
    settle(system, Kind.DISCARDED, "a", "b", "c")
    put(system, max_dead=1)
    assert system.tend(max_dead=1000).trimmed == 2
    assert system.ids("dead") == ["c"]


def test_and_for_so_long(system: QueueSystem) -> None:
    settle(system, Kind.DISCARDED, "a", "b")
    put(system, dead_ms=1500)
    system.tend()
    assert system.ids("dead") == ["b"]


def test_more_than_its_daemons_say_too(system: QueueSystem) -> None:
    settle(system, Kind.DISCARDED, "a", "b")
    put(system, max_dead=5, dead_ms=10**12)
    assert system.tend(max_dead=0, dead_ms=0).trimmed == 0


def test_of_successes_the_first_to_go_anyway_go(system: QueueSystem) -> None:
    settle(system, Kind.KEPT, "a", "b", "c")
    put(system, max_kept=1)
    system.tend()
    assert system.ids("kept") == ["c"]
    assert system.redis("LRANGE", system.key("succeeded"), 0, -1) == [b"a", b"b"]


def test_a_full_queue_takes_all_of_a_call_or_nothing(system: QueueSystem) -> None:
    put(system, max_length=3)
    system.add("a", "b")
    with pytest.raises(StoreFull, match="no more than 3 jobs may wait"):
        system.add("c", "d")
    system.add("c")
    with pytest.raises(StoreFull):
        system.add("later", due="+5000")
    assert system.ids() == ["a", "b", "c"]
    system.take("w")  # what runs does not wait
    system.add("d")


def test_timers_are_no_jobs_that_wait(system: QueueSystem) -> None:
    put(system, max_length=3)
    system.add_limited("a", "b", limits="c 1 0 one/running")
    system.take("w")
    system.take("w2")  # finds one that is held back, with a timer
    assert system.ids("held") == ["b"]
    system.run(upkeep.pause("q", "+60000"))
    system.add("c", "d")
    with pytest.raises(StoreFull):
        system.add("e")


def test_a_full_queue_answers_what_adds_nothing(system: QueueSystem) -> None:
    put(system, max_length=2)
    system.add("a")
    system.add("b", key="k")
    again = [NewJob("n", b"{}", id="a"), NewJob("n", b"{}", id="x", key="k", replace=True)]
    assert [(done.id, done.created, done.replaced) for done in system.run(enqueue("q", again))] == [
        ("a", False, False), ("b", False, True),
    ]  # fmt: skip
    system.redis("ZREM", system.key("ready"), "a")
    twins = [NewJob("n", b"{}", id="c", key="l"), NewJob("n", b"{}", id="d", key="l")]
    assert [done.id for done in system.run(enqueue("q", [*again, *twins]))] == ["a", "b", "c", "c"]
    with pytest.raises(StoreFull):
        system.run(enqueue("q", [*again, NewJob("n", b"{}", id="e")]))


def test_envelopes_that_add_nothing_leave_the_inbox_of_a_full_queue(system: QueueSystem) -> None:
    put(system, max_length=1)
    system.add("a", key="k")
    system.push({"job": "n", "id": "a"}, {"job": "n", "key": "k"}, {"bogus": 1}, {"job": "n"}, {"job": "n", "id": "a"})
    assert system.ingest() == (0, 1, 2, 2)
    with pytest.raises(StoreFull):
        system.ingest()


def test_envelopes_wait_in_the_inbox_while_the_queue_is_full(system: QueueSystem) -> None:
    put(system, max_length=2)
    system.push(*({"job": "n", "id": job_id} for job_id in "abc"))
    assert system.ingest() == (2, 0, 0, 1)
    with pytest.raises(StoreFull):
        system.ingest()
    system.start_all()
    assert system.ingest() == (1, 0, 0, 0)


def test_what_comes_back_is_not_refused(system: QueueSystem) -> None:
    put(system, max_length=1)
    system.add("a")
    [job] = system.take("w")
    system.add("b")
    system.settle("w", job, Kind.FAILED)
    assert system.ids() == ["b", "a"]


@pytest.mark.parametrize("value", ["", "many", "-1e999"])
def test_a_setting_that_is_no_number_is_none(system: QueueSystem, value: str) -> None:
    for name in upkeep.SETTINGS:
        system.redis("HSET", system.key("settings"), name, value)
    settle(system, Kind.DISCARDED, "a")
    system.run(queue_status("q"))
