"""lua/housekeep.lua: what goes on while all workers are busy, and what one call costs at most."""

from __future__ import annotations

from jqjobs.store import calls
from store.rig import Rig


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


def test_it_promotes_at_most_a_hundred_a_call(rig: Rig) -> None:
    rig.add(*[f"j{i}" for i in range(250)], due="+1")
    rig.clock.advance(1)
    answers = [rig.tend() for _ in range(3)]

    assert [answer.more for answer in answers] == [True, True, False]
    assert len(rig.ids("ready")) == 250


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


def test_a_round_that_another_daemon_has_just_finished_is_not_done_again(rig: Rig) -> None:
    rig.tend()
    rig.add("a", due="+500")
    rig.clock.advance(1999)
    assert rig.tend(pause_ms=2000) == calls.Housekept(more=False, wait_ms=None, inbox=False, reaped=0)
    assert rig.states("a") == ["scheduled"]
    rig.clock.advance(1)
    rig.tend(pause_ms=2000)
    assert rig.states("a") == ["ready"]


def test_a_round_that_left_something_is_gone_on_with_at_once(rig: Rig) -> None:
    rig.add(*[f"j{i}" for i in range(150)], due="+500")
    rig.clock.advance(500)
    assert [rig.tend(pause_ms=2000).more for _ in range(3)] == [True, False, False]
    assert len(rig.ids("ready")) == 150
