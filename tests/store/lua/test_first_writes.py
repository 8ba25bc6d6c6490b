"""What each script's header says of its first write is true: on it depends whether the script passes at maxmemory.

Looked at with MONITOR, on the real servers: which command writes first, and whether a full server refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from jqjobs.errors import StoreFull
from jqjobs.jobs.flow import OnDead
from jqjobs.jobs.records import Kind, NewJob
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.address import parse_url
from jqjobs.store.call import Call
from jqjobs.store.calls import batches, enqueueing, leases, transfers, trips, upkeep
from jqjobs.store.calls.added import add_schedule, tick_added
from jqjobs.store.calls.alerts import told_alert
from jqjobs.store.calls.fast_trips import fast_trip
from jqjobs.store.calls.schedules import agenda, plan, tick
from jqjobs.store.calls.turns import claim_round
from jqjobs.store.reply_values import text
from jqjobs.store.wire import Wire
from store.lua.script_calls import CALLS, OPERATIONS, TRANSFER, header
from store.queue_system import LEASE_MS, QueueSystem, outcome

Prepare = Callable[[QueueSystem], Call[Any]]
#: The last command that a look with MONITOR waits for.
END = "end-of-the-look"
#: Which commands write, and which of them are refused when it is full, is for each server to say.
pytestmark = pytest.mark.each_kind


@pytest.fixture
def system(real_system: QueueSystem) -> Iterator[QueueSystem]:
    yield real_system
    real_system.redis("CONFIG", "SET", "maxmemory", 0)


def nothing_there(system: QueueSystem) -> None:
    pass


def something_to_do(system: QueueSystem) -> None:
    """A ready job, an envelope, a worker, a schedule."""
    system.add("a")
    system.push({"job": "n"})
    system.join("w")
    system.run(CALLS["plan"])


def a_job_in_hand(system: QueueSystem) -> None:
    """The worker has the job; and of one that is gone, somebody has still noted that it is cancelled."""
    something_to_do(system)
    system.take("w")
    system.redis("ZADD", system.key("cancels"), 0, "w gone 1")


def settled_in_order(system: QueueSystem) -> Call[Any]:
    return trips.exchange(["q"], "w", 99, 0, LEASE_MS, outcomes=[outcome(job, Kind.DONE) for job in two(system)])


def settled_fast_and_in_order(system: QueueSystem) -> Call[Any]:
    return fast_trip("q", "w", 99, 0, done=two(system))


def two(system: QueueSystem) -> list[TakenJob]:
    """Jobs that a worker has in hand, taken just now."""
    something_to_do(system)
    system.add("b")
    return system.take("w", 2)


def a_schedule(system: QueueSystem) -> int:
    """A schedule that somebody offers; return since when its ticks are to come."""
    system.run(plan("q", LEASE_MS, "shop:app", {"s": '{"job":"n","payload":"{}"}'}))
    return system.clock.now_ms


def a_tick_that_has_come(system: QueueSystem) -> Call[Any]:
    since = a_schedule(system)
    system.clock.advance(1000)
    return tick("q", "s", since, since + 1000, [since + 1000])


def a_tick_that_is_skipped(system: QueueSystem) -> Call[Any]:
    since = a_schedule(system)
    return tick("q", "s", since, since, [])


def a_schedule_that_is_there(system: QueueSystem) -> Call[Any]:
    system.run(CALLS["add_schedule"])
    return CALLS["add_schedule"]


def added_ticks(*ticks: int, known: int | None = None) -> Prepare:
    """What a daemon does about a schedule added at run time; ``known``: since when, as it believes."""

    def prepare(system: QueueSystem) -> Call[Any]:
        system.run(add_schedule("q", "s:1", '{"job":"n","payload":"{}"}'))
        since = system.clock.now_ms if known is None else known
        return tick_added("q", "s:1", since, system.clock.now_ms, since + 9000, ticks)

    return prepare


def housekeeping_that_was_done(system: QueueSystem) -> Call[Any]:
    while system.tend().more:
        pass
    return upkeep.housekeep("q", LEASE_MS, 10, 1000, pause_ms=10_000)


def a_minute_that_has_its_sample(system: QueueSystem) -> Call[Any]:
    system.run(CALLS["sample_memory"])
    return CALLS["sample_memory"]


def a_release_that_is_known(system: QueueSystem) -> Call[Any]:
    system.run(CALLS["note_release"])
    return CALLS["note_release"]


def a_place_that_is_closed(system: QueueSystem) -> Call[Any]:
    system.run(CALLS["close_place"])
    return CALLS["close_place"]


def an_alert_that_was_told(system: QueueSystem) -> Call[Any]:
    system.run(told_alert("died q", system.clock.now_ms))
    return CALLS["claim_alert"]


def another_of_a_group(system: QueueSystem) -> Call[Any]:
    system.add("first", fields=("fair", "=g"))
    return enqueueing.enqueue("q", [NewJob("n", b"{}", id="a", fields=("fair", "=g"))])


def turns(system: QueueSystem) -> None:
    """A worker that came by its turn, a call, and a round that another daemon has begun."""
    system.run(leases.join_by_turn("q", "w", LEASE_MS, "digest"))
    system.run(CALLS["call_workers"])
    system.run(claim_round("tenant-*", "another", 2500))


def a_batch(system: QueueSystem) -> None:
    system.run(CALLS["open_batch"])


def a_batch_that_another_has_opened(system: QueueSystem) -> Call[Any]:
    system.run(batches.open_batch("q", "b", "another", OnDead.WAIT, 1000))
    return CALLS["open_batch"]


def what_was_read_just_now(system: QueueSystem) -> Call[Any]:
    return transfers.deliver("q", "other", system.clock.now_ms, [TRANSFER])


def called_when(state: Callable[[QueueSystem], None], name: str) -> Prepare:
    def prepare(system: QueueSystem) -> Call[Any]:
        state(system)
        return CALLS[name]

    return prepare


def an_agenda_that_a_person_reads(system: QueueSystem) -> Call[Any]:
    return agenda("q")


def a_daemon_that_has_registered(system: QueueSystem) -> Call[Any]:
    system.run(CALLS["register"])
    return CALLS["beat"]


STATES = (nothing_there, something_to_do, a_job_in_hand)
MORE: dict[str, tuple[Prepare, ...]] = {
    "add_schedule": (a_schedule_that_is_there,),
    "beat": (a_daemon_that_has_registered,),
    "agenda": (an_agenda_that_a_person_reads,),
    "cancel_batch": (called_when(a_batch, "cancel_batch"),),
    "claim_round": (called_when(turns, "claim_round"),),
    "step_out": (called_when(turns, "step_out"),),
    "take_called": (called_when(turns, "take_called"),),
    "close_batch": (called_when(a_batch, "close_batch"),),
    "open_batch": (a_batch_that_another_has_opened,),
    "claim_alert": (an_alert_that_was_told,),
    "deliver": (what_was_read_just_now,),
    "enqueue": (another_of_a_group,),
    "exchange": (settled_in_order,),
    "fast_trip": (settled_fast_and_in_order,),
    "housekeep": (housekeeping_that_was_done,),
    "note_release": (a_release_that_is_known,),
    "close_place": (a_place_that_is_closed,),
    "sample_memory": (a_minute_that_has_its_sample,),
    "tick_added": (added_ticks(1), added_ticks(), added_ticks(1, known=5)),
    "tick": (a_tick_that_has_come, a_tick_that_is_skipped),
}


def cases(name: str) -> Iterator[Prepare]:
    yield from (called_when(state, name) for state in STATES)
    yield from MORE.get(name, ())


def said(name: str) -> str:
    """The sentence of the header about the first write."""
    found = re.search(r"^-- First write: (.*)$", header(name), re.MULTILINE)
    assert found
    return found[1]


def declared(name: str) -> set[str]:
    """The commands that the header names; "" for none."""
    commands = set(re.findall(r"\b[A-Z]{3,}\b", said(name)))
    return commands | ({""} if "none" in said(name) else set())


def flags(system: QueueSystem, command: str) -> set[str]:
    [found] = system.redis("COMMAND", "INFO", command)
    return {text(flag) for flag in found[2]}


def first_write(system: QueueSystem, call: Call[Any]) -> str:
    """Run a call and return the first command in it that writes, "" when none does."""
    with closing(Wire(parse_url(system.url))) as monitor:
        monitor.send(("MONITOR",))
        monitor.reply()
        system.run(call)
        system.redis("ECHO", END)
        seen: list[str] = []
        while END not in (line := text(monitor.reply())):
            seen += re.findall(r"^[\d.]+ \[\d+ lua\] \"(\w+)\"", line)
    return next((command.upper() for command in seen if "write" in flags(system, command)), "")


def prepared(system: QueueSystem, prepare: Prepare) -> Call[Any]:
    system.redis("FLUSHALL")
    system.trips.clear()
    return prepare(system)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_first_write_is_one_that_the_header_names_and_a_full_server_refuses_what_it_says(
    system: QueueSystem, name: str
) -> None:
    refused, passed = set(), set()
    for prepare in cases(name):
        write = first_write(system, prepared(system, prepare))
        call = prepared(system, prepare)
        system.redis("CONFIG", "SET", "maxmemory", 1)
        try:
            system.run(call)
        except StoreFull:
            refused.add(write)
        else:
            passed.add(write)
        system.redis("CONFIG", "SET", "maxmemory", 0)

    assert refused | passed == declared(name)
    assert ("refused when Redis is full" in said(name)) == bool(refused)
    assert bool(re.search(r"pass(es)?\b", said(name))) == bool(passed - {""})
    assert refused & passed == set()
