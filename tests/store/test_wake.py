"""The wake token: it stands while there is something to take or to ingest, and for nothing else."""

from __future__ import annotations

from jqjobs.job import Kind
from jqjobs.store import calls
from store.rig import LEASE_MS, Rig, outcome


def test_enqueue_sets_the_token(rig: Rig) -> None:
    rig.add("a")

    assert rig.wakes()


def test_there_is_only_ever_one_token(rig: Rig) -> None:
    rig.add("a", "b")
    rig.push({"job": "n"})
    rig.redis("ZADD", rig.key("wake"), 0, 1)
    rig.add("c")

    assert rig.redis("ZCARD", rig.key("wake")) == 1


def test_a_taker_that_leaves_something_puts_the_token_back(rig: Rig) -> None:
    rig.add("a", "b")
    rig.join("w")
    rig.use_up_token()
    rig.trip("w", 1)

    assert rig.wakes()


def test_a_taker_that_takes_the_last_one_takes_the_token_away(rig: Rig) -> None:
    rig.add("a")
    rig.join("w")
    rig.trip("w", 1)

    assert not rig.wakes()


def test_raw_envelopes_keep_the_token_until_they_are_ingested(rig: Rig) -> None:
    rig.push({"job": "n"})
    rig.join("w")
    rig.trip("w", 1)
    assert rig.wakes()
    rig.ingest()
    assert rig.wakes()
    rig.trip("w", 1)

    assert not rig.wakes()


def test_ingesting_only_rejects_takes_the_token_away(rig: Rig) -> None:
    rig.push("no")
    rig.redis("ZADD", rig.key("wake"), 0, 1)
    rig.ingest()

    assert not rig.wakes()


def test_a_paused_queue_wakes_nobody_and_resuming_does(rig: Rig) -> None:
    rig.add("a")
    rig.run(calls.pause("q"))
    assert not rig.wakes()
    rig.run(calls.pause("q", resume=True))

    assert rig.wakes()


def test_a_paused_queue_still_wakes_for_raw_envelopes(rig: Rig) -> None:
    rig.push({"job": "n"})
    rig.run(calls.pause("q"))

    assert rig.wakes()


def test_resuming_an_empty_queue_wakes_nobody(rig: Rig) -> None:
    rig.run(calls.pause("q"))
    rig.run(calls.pause("q", resume=True))

    assert not rig.wakes()


def test_release_sets_the_token(rig: Rig) -> None:
    rig.add("a")
    [job] = rig.take("w")
    assert not rig.wakes()
    rig.trip("w", 0, [outcome(job, Kind.RELEASED)])

    assert rig.wakes()


def test_the_burial_of_a_worker_sets_the_token(rig: Rig) -> None:
    rig.add("a")
    rig.take("w")
    rig.run(calls.leave("q", "w", "crash"))

    assert rig.wakes()


def test_a_failure_found_on_a_dead_workers_board_wakes_somebody(rig: Rig) -> None:
    rig.add("a")
    rig.take("w")
    rig.run(calls.leave("q", "w", "crash", "killed", [calls.BoardEntry("a", 1, "failed")]))

    assert (rig.states("a"), rig.wakes()) == (["ready"], True)


def test_housekeeping_that_reaps_or_promotes_sets_the_token(rig: Rig) -> None:
    rig.add("a")
    rig.reaping_works_from_now()
    rig.take("w")
    rig.outlive_leases()
    assert rig.wakes()
    rig.take("w2")
    rig.add("b", due="+10")
    rig.use_up_token()
    rig.clock.advance(10)
    rig.tend()

    assert rig.wakes()


def test_retry_and_unparking_set_the_token(rig: Rig) -> None:
    rig.add("a", "b")
    rig.round(Kind.DISCARDED)
    rig.round(Kind.UNKNOWN)
    assert not rig.wakes()
    rig.run(calls.retry("q", ["a"]))
    assert rig.wakes()
    rig.round(Kind.DONE)
    assert not rig.wakes()
    rig.run(calls.renew("q", LEASE_MS, [], ["n"]))
    rig.tend()

    assert rig.wakes()


def test_a_retry_that_changes_nothing_wakes_nobody(rig: Rig) -> None:
    rig.run(calls.retry("q", ["ghost"]))

    assert not rig.wakes()


def test_a_new_nearest_due_time_wakes_somebody_to_look_at_the_clock(rig: Rig) -> None:
    rig.add("a", due="+5000")
    assert rig.wakes()
    rig.join("w")
    assert rig.trip("w", 1).wait_ms == 5000
    assert not rig.wakes()
    rig.add("b", due="+1000")

    assert rig.wakes()


def test_of_the_idle_workers_only_one_is_told_when_the_next_job_is_due(rig: Rig) -> None:
    rig.add("a", due="+5000")
    rig.join("w", "v")

    assert rig.trip("w", 1).wait_ms == 5000
    assert rig.trip("v", 1).wait_ms is None
    rig.clock.advance(1000)
    assert rig.trip("w", 1).wait_ms == 4000
    rig.clock.advance(4001)
    assert [job.id for job in rig.trip("v", 1).jobs] == ["a"]


def test_who_is_woken_for_an_earlier_moment_watches_instead(rig: Rig) -> None:
    rig.add("a", due="+5000")
    rig.join("w", "v", "x")
    rig.trip("w", 1)
    rig.add("b", due="+2000")

    assert rig.trip("v", 1).wait_ms == 2000
    assert rig.trip("x", 1).wait_ms is None


def test_a_worker_that_watched_and_gets_busy_wakes_another_one(rig: Rig) -> None:
    rig.add("due", due="+5000")
    rig.join("w", "v")
    rig.trip("w", 1)
    rig.add("now")
    rig.trip("w", 5)

    assert rig.wakes()
    assert rig.trip("v", 1).wait_ms == 5000
    assert not rig.wakes()


def test_a_worker_that_drains_leaves_its_watch_to_another_one(rig: Rig) -> None:
    rig.add("due", due="+5000")
    rig.join("w", "v")
    rig.trip("w", 1)
    rig.trip("w", 0)

    assert rig.wakes()
    assert rig.trip("v", 1).wait_ms == 5000


def test_a_worker_that_died_does_not_watch(rig: Rig) -> None:
    rig.add("due", due="+5000")
    rig.join("w", "v")
    rig.trip("w", 1)
    rig.run(calls.leave("q", "w", "crash"))

    assert rig.trip("v", 1).wait_ms == 5000


def test_a_watch_whose_moment_has_passed_counts_for_nothing(rig: Rig) -> None:
    rig.add("a", due="+5000")
    rig.add("b", due="+20000")
    rig.join("w", "v")
    rig.trip("w", 1)
    rig.clock.advance(6000)
    assert [job.id for job in rig.trip("v", 1).jobs] == ["a"]

    assert rig.wakes()


def test_busy_workers_ask_for_a_watcher_only_while_there_is_none(rig: Rig) -> None:
    rig.add("due", due="+5000")
    rig.add(*[f"j{n}" for n in range(4)])
    rig.join("w", "v")
    rig.trip("w", 2)
    rig.trip("w", 2)
    assert rig.wakes()
    rig.trip("v", 1)
    rig.trip("w", 0)

    assert not rig.wakes()


def test_a_timer_that_a_busy_worker_sets_is_watched_by_an_idle_one(rig: Rig) -> None:
    rig.add_limited("a", "b", limits="r 1 1000 api/1s")
    rig.join("w", "v")
    rig.trip("w", 1)
    rig.trip("v", 1)
    rig.use_up_token()
    rig.add("free")
    rig.trip("v", 1)

    assert rig.wakes()
