"""The last ends of a queue: the newest hundred of all that tell of some, for a day."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Kind
from jqjobs.jobs.statistics import MOST_RECENT, Ended, end_line
from jqjobs.store.calls.statistics import add_statistics
from jqjobs.store.calls.waits import resolve
from jqjobs.store.reads.recent import RecentEnd, recent_ends
from store.queue_system import START_MS, QueueSystem

DAY_MS = 86_400_000


def tell(system: QueueSystem, *ends: tuple[int, str], queue: str = "q") -> None:
    """A worker tells of successes: when after the start, and which id."""
    lines = [(START_MS + ms, end_line(job_id, "n", Ended.DONE, 5, None)) for ms, job_id in ends]
    system.run(add_statistics(queue, {}, lines))


def ids(system: QueueSystem, *queues: str) -> list[str]:
    return [end.id for end in recent_ends(system.store, queues or ["q"])]


def test_all_that_was_told_is_read_again(system: QueueSystem) -> None:
    system.run(add_statistics("q", {}, [(START_MS - 9, end_line("a", "n.m-o", Ended.HUNG, 7, 1234))]))
    assert recent_ends(system.store, ["q"]) == [RecentEnd("a", "q", "n.m-o", "hung", 7, 1234, START_MS - 9)]


def test_of_all_workers_and_queues_the_latest_comes_first(system: QueueSystem) -> None:
    system.clock.advance(50)
    tell(system, (10, "b"), (40, "e"))
    tell(system, (0, "a"), (30, "d"))
    tell(system, (20, "c"), queue="r")
    assert ids(system, "q", "r") == ["e", "d", "c", "b", "a"]
    assert ids(system, "r") == ["c"]


def test_the_newest_hundred_stay_whoever_tells_last(system: QueueSystem) -> None:
    system.clock.advance(1000)
    newest = [(500 + n, f"new{n}") for n in range(60)]
    tell(system, *newest)
    tell(system, *((n, f"old{n}") for n in range(MOST_RECENT)))
    assert ids(system) == [job_id for _, job_id in reversed(newest)] + [f"old{n}" for n in range(99, 59, -1)]
    assert system.redis("ZCARD", system.key("recent")) == MOST_RECENT


def test_it_is_remembered_for_a_day_after_the_last_one(system: QueueSystem) -> None:
    tell(system, (0, "a"))
    assert DAY_MS - 10_000 < system.redis("PTTL", system.key("recent")) <= DAY_MS


def test_what_ends_in_the_future_by_a_clock_that_was_set_back_hides_nothing(system: QueueSystem) -> None:
    system.clock.advance(3_600_000)
    tell(system, *((3_500_000 + n, f"ahead{n}") for n in range(MOST_RECENT)))
    system.clock.now_ms = START_MS
    tell(system, (5, "a"))
    assert recent_ends(system.store, ["q"]) == [RecentEnd("a", "q", "n", "done", 5, None, START_MS)]


@pytest.mark.parametrize(("answer", "outcome"), [({"result": b"1"}, "done"), ({"error": "no"}, "retried")])
def test_a_job_that_waited_for_a_third_party_ends_with_its_answer(
    system: QueueSystem, answer: dict[str, str], outcome: str
) -> None:
    system.add("a")
    system.round(Kind.WAITING, 1000)
    assert system.run(resolve("q", "a", "", **answer)) == "resolved"
    assert recent_ends(system.store, ["q"]) == [RecentEnd("a", "q", "n", outcome, None, None, START_MS)]


def test_what_others_have_put_there_is_left_out_and_goes(system: QueueSystem) -> None:
    odd: list[str | int] = []
    for n, member in enumerate(("", "x", "1 a n done", "x a n done 1 1", "1 a n done x 1 more")):
        odd += (n, member)
    system.redis("ZADD", system.key("recent"), *odd, "inf", "last")
    assert ids(system) == []
    tell(system, *((n - MOST_RECENT, str(n)) for n in range(MOST_RECENT)))
    assert len(ids(system)) == MOST_RECENT


def test_a_key_that_somebody_wrote_over_begins_anew(real_system: QueueSystem) -> None:
    real_system.redis("SET", real_system.key("recent"), "x")
    tell(real_system, (0, "a"))
    real_system.tend()
    tell(real_system, (0, "b"))
    assert ids(real_system) == ["b"]
