"""lua/housekeep.lua: what goes on while all workers are busy, and what one call costs at most."""

from __future__ import annotations

from jqjobs.store import calls
from store.rig import LEASE_MS, Rig


def test_an_empty_queue_needs_nothing(rig: Rig) -> None:
    assert rig.tend() == calls.Housekept(more=False, wait_ms=None, inbox=False, reaped=0)


def test_it_promotes_what_is_due_and_says_when_the_next_job_is(rig: Rig) -> None:
    rig.add("a", due="+10")
    rig.add("b", due="+25")
    rig.clock.advance(10)
    done = rig.tend()

    assert (rig.states("a"), done.wait_ms) == (["ready"], 15)


def test_what_is_due_already_means_no_wait(rig: Rig) -> None:
    rig.add(*[f"j{i}" for i in range(300)], due="+1")
    rig.clock.advance(10)

    assert rig.tend().wait_ms == 0


def test_it_promotes_at_most_two_hundred_a_call(rig: Rig) -> None:
    rig.add(*[f"j{i}" for i in range(450)], due="+1")
    rig.clock.advance(1)
    answers = [rig.tend() for _ in range(3)]

    assert [answer.more for answer in answers] == [True, True, False]
    assert len(rig.ids("ready")) == 450


def test_it_says_whether_raw_envelopes_wait(rig: Rig) -> None:
    rig.push({"job": "n"})

    assert rig.tend().inbox is True


def test_it_does_not_lift_a_pause(rig: Rig) -> None:
    rig.add("a", due="+1")
    rig.run(calls.pause("q"))
    rig.clock.advance(1)
    rig.tend()

    assert (rig.states("a"), rig.wakes()) == (["ready"], False)


def test_a_scheduled_id_without_a_record_is_dropped(rig: Rig) -> None:
    rig.redis("ZADD", rig.key("scheduled"), 1, "ghost")
    rig.tend()

    assert rig.states("ghost") == []


def test_no_round_takes_above_ten_milliseconds_of_redis(real_rig: Rig) -> None:
    """Everything at once: ten dead workers with full batches, parked, kept, dead and due jobs."""
    rig = real_rig
    rig.reaping_works_from_now()
    for worker in range(10):
        rig.add(*[f"w{worker}-{i}" for i in range(500)])
        rig.take(f"w{worker}", 500)
    rig.add(*[f"due{i}" for i in range(600)], due=f"+{LEASE_MS}")
    for _ in range(3):
        rig.clock.advance(LEASE_MS // 4)
        rig.tend()
    rig.clock.advance(LEASE_MS // 4)
    rig.redis("CONFIG", "RESETSTAT")
    rig.redis("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
    rig.redis("SLOWLOG", "RESET")
    while rig.tend().more:
        pass

    slow = [(entry[2], entry[3][0]) for entry in rig.redis("SLOWLOG", "GET", 20)]
    rig.redis("CONFIG", "SET", "slowlog-log-slower-than", -1)
    assert len(rig.ids("ready")) == 5600
    assert slow == []
