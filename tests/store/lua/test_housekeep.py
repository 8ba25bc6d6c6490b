"""lua/housekeep.lua: what goes on while all workers are busy, and what one call costs at most."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from store.queue_system import QueueSystem, outcome


def test_an_empty_queue_needs_nothing(system: QueueSystem) -> None:
    assert system.tend() == upkeep.Housekept(more=False, wait_ms=None, inbox=False, reaped=0)


def test_a_queue_in_which_nothing_is_costs_a_dozen_commands(system: QueueSystem) -> None:
    """Its workers wait, and have leases; what they do not need is not asked for."""
    system.join("v", "w")
    system.offer("n")
    system.tend()
    system.clock.advance(2500)

    found, commands = counted(system, system.tend)
    assert (found, commands <= 14) == (upkeep.Housekept(more=False, wait_ms=None, inbox=False, reaped=0), True)


def test_what_a_dead_worker_had_in_an_idle_queue_is_there_for_others(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    system.use_up_token()
    system.outlive_leases()

    assert (system.states("a"), system.wakes()) == (["ready"], True)


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


@pytest.mark.parametrize("kind", [Kind.WAITING, Kind.MISFIT, Kind.KEPT, Kind.DISCARDED])
def test_however_many_are_over_at_once_a_call_is_short_and_the_rest_follows(
    real_system: QueueSystem, kind: Kind
) -> None:
    """About so many commands are 5 ms of Redis, on a slow machine; what is due moves on meanwhile."""
    system, ids = real_system, [f"j{i}" for i in range(300)]
    system.add(*ids)
    for _ in range(3):
        jobs = system.take("w", 100)
        system.trip("w", 0, [outcome(job, kind, 1000) for job in jobs])
    system.add("due", due="+1000")
    system.clock.advance(1000)
    first, commands = counted(system, lambda: system.tend(max_dead=0))

    assert (first.more, system.states("due")) == (True, ["ready"])
    assert commands < 1500
    for _ in range(20):
        found, commands = counted(system, lambda: system.tend(max_dead=0))
        assert commands < 1500
        if not found.more:
            break
    assert [system.ids(state) for state in ("waiting", "parked", "kept", "dead")] == [[]] * 4


def test_no_kind_of_work_waits_until_all_others_are_done(system: QueueSystem) -> None:
    """Deadlines leave room for what is to be forgotten, though not for all of it."""
    system.add(*[f"j{i}" for i in range(90)])
    jobs = system.take("w", 90)
    system.trip("w", 0, [outcome(job, Kind.WAITING if n < 48 else Kind.KEPT, 1000) for n, job in enumerate(jobs)])
    system.clock.advance(1000)
    first = system.tend()

    assert (system.ids("waiting"), 0 < len(system.ids("kept")) < 42, first.more) == ([], True, True)
    assert not system.tend().more
    assert system.ids("kept") == []


def counted(system: QueueSystem, call: Callable[[], upkeep.Housekept]) -> tuple[upkeep.Housekept, int]:
    """Call, and return the answer and how many commands of Redis that took."""
    if system.kind == "fake":
        pytest.skip("the fake server counts nothing")
    system.redis("CONFIG", "RESETSTAT")
    answer = call()
    told = system.redis("INFO", "commandstats").decode()
    return answer, sum(map(int, re.findall(r"cmdstat_(?!evalsha|eval|config|info)\S+?:calls=(\d+)", told)))
