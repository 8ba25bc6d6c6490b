"""The wake token: it stands while there is something to take or to ingest, and for nothing else."""

from __future__ import annotations

from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from store.queue_system import QueueSystem, outcome


def test_enqueue_sets_the_token(system: QueueSystem) -> None:
    system.add("a")

    assert system.wakes()


def test_there_is_only_ever_one_token(system: QueueSystem) -> None:
    system.add("a", "b")
    system.push({"job": "n"})
    system.redis("ZADD", system.key("wake"), 0, 1)
    system.add("c")

    assert system.redis("ZCARD", system.key("wake")) == 1


def test_a_taker_that_leaves_something_puts_the_token_back(system: QueueSystem) -> None:
    system.add("a", "b")
    system.join("w")
    system.use_up_token()
    system.trip("w", 1)

    assert system.wakes()


def test_a_taker_that_takes_the_last_one_takes_the_token_away(system: QueueSystem) -> None:
    system.add("a")
    system.join("w")
    system.trip("w", 1)

    assert not system.wakes()


def test_raw_envelopes_keep_the_token_until_they_are_ingested(system: QueueSystem) -> None:
    system.push({"job": "n"})
    system.join("w")
    system.trip("w", 1)
    assert system.wakes()
    system.ingest()
    assert system.wakes()
    system.trip("w", 1)

    assert not system.wakes()


def test_ingesting_only_rejects_takes_the_token_away(system: QueueSystem) -> None:
    system.push("no")
    system.redis("ZADD", system.key("wake"), 0, 1)
    system.ingest()

    assert not system.wakes()


def test_a_paused_queue_wakes_nobody_and_resuming_does(system: QueueSystem) -> None:
    system.add("a")
    system.run(upkeep.pause("q"))
    assert not system.wakes()
    system.run(upkeep.resume("q"))

    assert system.wakes()


def test_a_paused_queue_still_wakes_for_raw_envelopes(system: QueueSystem) -> None:
    system.push({"job": "n"})
    system.run(upkeep.pause("q"))

    assert system.wakes()


def test_resuming_an_empty_queue_wakes_nobody(system: QueueSystem) -> None:
    system.run(upkeep.pause("q"))
    system.run(upkeep.resume("q"))

    assert not system.wakes()


def test_release_sets_the_token(system: QueueSystem) -> None:
    system.add("a")
    [job] = system.take("w")
    assert not system.wakes()
    system.trip("w", 0, [outcome(job, Kind.RELEASED)])

    assert system.wakes()


def test_the_end_of_a_worker_sets_the_token(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    system.run(leases.leave("q", "w"))

    assert system.wakes()


def test_a_failure_found_on_a_dead_workers_board_wakes_somebody(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "failed")]))

    assert (system.states("a"), system.wakes()) == (["scheduled"], True)


def test_housekeeping_that_reaps_or_promotes_sets_the_token(system: QueueSystem) -> None:
    system.add("a")
    system.reaping_works_from_now()
    system.take("w")
    system.outlive_leases()
    assert system.wakes()
    system.take("w2")
    system.add("b", due="+10")
    system.use_up_token()
    system.clock.advance(10)
    system.tend()

    assert system.wakes()


def test_retry_and_unparking_set_the_token(system: QueueSystem) -> None:
    system.add("a", "b")
    system.round(Kind.DISCARDED)
    system.round(Kind.UNKNOWN)
    assert not system.wakes()
    system.run(upkeep.retry("q", ["a"]))
    assert system.wakes()
    system.round(Kind.DONE)
    assert not system.wakes()
    system.offer("n")
    system.tend()

    assert system.wakes()


def test_a_retry_that_changes_nothing_wakes_nobody(system: QueueSystem) -> None:
    system.run(upkeep.retry("q", ["ghost"]))

    assert not system.wakes()


def test_a_new_nearest_due_time_wakes_somebody_to_look_at_the_clock(system: QueueSystem) -> None:
    system.add("a", due="+5000")
    assert system.wakes()
    system.join("w")
    assert system.trip("w", 1).wait_ms == 5000
    assert not system.wakes()
    system.add("b", due="+1000")

    assert system.wakes()


def test_of_the_idle_workers_only_one_is_told_when_the_next_job_is_due(system: QueueSystem) -> None:
    system.add("a", due="+5000")
    system.join("w", "v")

    assert system.trip("w", 1).wait_ms == 5000
    assert system.trip("v", 1).wait_ms is None
    system.clock.advance(1000)
    assert system.trip("w", 1).wait_ms == 4000
    system.clock.advance(4001)
    assert [job.id for job in system.trip("v", 1).jobs] == ["a"]


def test_who_is_woken_for_an_earlier_moment_watches_instead(system: QueueSystem) -> None:
    system.add("a", due="+5000")
    system.join("w", "v", "x")
    system.trip("w", 1)
    system.add("b", due="+2000")

    assert system.trip("v", 1).wait_ms == 2000
    assert system.trip("x", 1).wait_ms is None


def test_a_worker_that_watched_and_gets_busy_wakes_another_one(system: QueueSystem) -> None:
    system.add("due", due="+5000")
    system.join("w", "v")
    system.trip("w", 1)
    system.add("now")
    system.trip("w", 5)

    assert system.wakes()
    assert system.trip("v", 1).wait_ms == 5000
    assert not system.wakes()


def test_a_worker_that_drains_leaves_its_watch_to_another_one(system: QueueSystem) -> None:
    system.add("due", due="+5000")
    system.join("w", "v")
    system.trip("w", 1)
    system.trip("w", 0)

    assert system.wakes()
    assert system.trip("v", 1).wait_ms == 5000


def test_a_worker_that_died_does_not_watch(system: QueueSystem) -> None:
    system.add("due", due="+5000")
    system.join("w", "v")
    system.trip("w", 1)
    system.run(leases.leave("q", "w"))

    assert system.trip("v", 1).wait_ms == 5000


def test_a_watch_whose_moment_has_passed_counts_for_nothing(system: QueueSystem) -> None:
    system.add("a", due="+5000")
    system.add("b", due="+20000")
    system.join("w", "v")
    system.trip("w", 1)
    system.clock.advance(6000)
    assert [job.id for job in system.trip("v", 1).jobs] == ["a"]

    assert system.wakes()


def test_busy_workers_ask_for_a_watcher_only_while_there_is_none(system: QueueSystem) -> None:
    system.add("due", due="+5000")
    system.add(*[f"j{n}" for n in range(4)])
    system.join("w", "v")
    system.trip("w", 2)
    system.trip("w", 2)
    assert system.wakes()
    system.trip("v", 1)
    system.trip("w", 0)

    assert not system.wakes()


def test_a_timer_that_a_busy_worker_sets_is_watched_by_an_idle_one(system: QueueSystem) -> None:
    system.add_limited("a", "b", limits="r 1 1000 api/1s")
    system.join("w", "v")
    system.trip("w", 1)
    system.trip("v", 1)
    system.use_up_token()
    system.add("free")
    system.trip("v", 1)

    assert system.wakes()
