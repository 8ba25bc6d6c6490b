"""lua/housekeep.lua: what goes on while all workers are busy, and what one call costs at most."""

from __future__ import annotations

from jqjobs.store.calls import upkeep
from store.queue_system import QueueSystem


def test_an_empty_queue_needs_nothing(system: QueueSystem) -> None:
    assert system.tend() == upkeep.Housekept(more=False, wait_ms=None, inbox=False, reaped=0)


def test_it_promotes_what_is_due_and_says_when_the_next_job_is(system: QueueSystem) -> None:
    system.add("a", due="+10")
    system.add("b", due="+25")
    system.clock.advance(10)
    done = system.tend()

    assert (system.states("a"), done.wait_ms) == (["ready"], 15)


def test_what_is_due_already_means_no_wait(system: QueueSystem) -> None:
    system.add(*[f"j{i}" for i in range(300)], due="+1")
    system.clock.advance(10)

    assert system.tend().wait_ms == 0


def test_it_promotes_at_most_a_hundred_a_call(system: QueueSystem) -> None:
    system.add(*[f"j{i}" for i in range(250)], due="+1")
    system.clock.advance(1)
    answers = [system.tend() for _ in range(3)]

    assert [answer.more for answer in answers] == [True, True, False]
    assert len(system.ids("ready")) == 250


def test_it_says_whether_raw_envelopes_wait(system: QueueSystem) -> None:
    system.push({"job": "n"})

    assert system.tend().inbox is True


def test_it_does_not_lift_a_pause(system: QueueSystem) -> None:
    system.add("a", due="+1")
    system.run(upkeep.pause("q"))
    system.clock.advance(1)
    system.tend()

    assert (system.states("a"), system.wakes()) == (["ready"], False)


def test_a_scheduled_id_without_a_record_is_dropped(system: QueueSystem) -> None:
    system.redis("ZADD", system.key("scheduled"), 1, "ghost")
    system.tend()

    assert system.states("ghost") == []


def test_a_round_that_another_daemon_has_just_finished_is_not_done_again(system: QueueSystem) -> None:
    system.tend()
    system.add("a", due="+500")
    system.clock.advance(1999)
    assert system.tend(pause_ms=2000) == upkeep.Housekept(more=False, wait_ms=None, inbox=False, reaped=0)
    assert system.states("a") == ["scheduled"]
    system.clock.advance(1)
    system.tend(pause_ms=2000)
    assert system.states("a") == ["ready"]


def test_a_round_that_left_something_is_gone_on_with_at_once(system: QueueSystem) -> None:
    system.add(*[f"j{i}" for i in range(150)], due="+500")
    system.clock.advance(500)
    assert [system.tend(pause_ms=2000).more for _ in range(3)] == [True, False, False]
    assert len(system.ids("ready")) == 150
