"""A wake trip that finds one plain job and nothing else takes a short way, and does what any other trip would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jqjobs.jobs.blame import Scope
from jqjobs.store.calls import leases, trips, upkeep
from jqjobs.store.calls.cancels import cancel
from jqjobs.store.calls.tail import listen
from jqjobs.store.calls.trips import Trip, Way
from store.queue_system import LEASE_MS, START_MS, QueueSystem

Prepare = Callable[[QueueSystem], Any]
QUEUES = ("q", "r")


def wake(system: QueueSystem, *queues: str, number: int = 9, want: int = 2, is_wake: bool = True) -> Trip:
    """Make the trip that stands behind the wait of worker w."""
    system.skip_unless_one_call(queues)
    call = trips.exchange(
        queues, "w", number, want, LEASE_MS, suspects=(1, Scope.HOST), is_wake=is_wake, way=Way.FILLED
    )
    found: Trip = system.run(call)
    return found


def take_one_and_cancel_it(system: QueueSystem) -> None:
    system.take("v")
    system.run(cancel("q", ["a"]))
    system.add("b")


SITUATIONS: dict[str, Prepare] = {
    "nothing more": lambda system: None,
    "another job": lambda system: system.add("b"),
    "a job in the other queue": lambda system: system.add("b", queue="r"),
    "only a job in the other queue": lambda system: (system.take("v"), system.add("b", queue="r")),
    "an envelope": lambda system: system.push({"job": "n"}),
    "a pause": lambda system: system.run(upkeep.pause("q")),
    "a pause of the other queue": lambda system: system.run(upkeep.pause("r")),
    "a job that is due": lambda system: (system.add("b", due="+10"), system.clock.advance(10)),
    "a job for later": lambda system: system.add("b", due="+10000", queue="r"),
    "a job in a group": lambda system: system.add("b", fields=("fair", "=g")),
    "only a job in a group": lambda system: (system.add("b", fields=("fair", "=g")), system.take("v")),
    "a cancelled job in hand": take_one_and_cancel_it,
    "somebody who listens": lambda system: system.run(listen("q")),
    "a worker that is gone": lambda system: system.run(leases.leave("q", "w")),
    "a moment after which all may have been away": lambda system: system.clock.advance(LEASE_MS // 3 + 1),
    "a damaged set": lambda system: system.redis("SET", system.key("active:w"), "x"),
    "a damaged token": lambda system: system.redis("SET", system.key("wake"), "x"),
}


def made(system: QueueSystem, prepare: Prepare, *, is_wake: bool) -> tuple[Trip, dict[bytes, Any], bool]:
    """The answer of a trip of the one kind or the other, and what there is then; when it was there is only a hint."""
    system.redis("FLUSHALL")
    system.clock.now_ms, system.trips = START_MS, {}
    system.join("w", "v", queues=QUEUES)
    system.reaping_works_from_now(*QUEUES)
    system.add("a")
    prepare(system)
    if system.redis("TYPE", system.key("wake")) == b"zset":
        system.redis("ZREM", system.key("wake"), "1")
    answer = wake(system, *QUEUES, is_wake=is_wake)
    for queue in QUEUES:
        system.redis("HDEL", system.key("meta", queue), "served")
    return answer, system.everything(), system.redis("EXISTS", system.key("wake")) == 1


@pytest.mark.parametrize("situation", SITUATIONS)
def test_it_does_what_another_trip_would_do(system: QueueSystem, situation: str) -> None:
    prepare = SITUATIONS[situation]
    assert made(system, prepare, is_wake=True) == made(system, prepare, is_wake=False)


@pytest.mark.parametrize(("queues", "commands"), [(("q",), 11), (("r", "q"), 19)], ids=["one queue", "two"])
def test_a_job_that_comes_alone_takes_few_commands(
    real_system: QueueSystem, queues: tuple[str, ...], commands: int
) -> None:
    real_system.join("w", queues=queues)
    real_system.reaping_works_from_now(*queues)
    real_system.add("a")
    wake(real_system, *queues, want=0, number=1)  # from now on Redis knows the script
    real_system.redis("CONFIG", "RESETSTAT")
    assert [job.id for job in wake(real_system, *queues).jobs] == ["a"]
    told = real_system.redis("INFO", "commandstats").decode().splitlines()[1:]
    calls = {line.split(":")[0]: int(line.split("calls=")[1].split(",")[0]) for line in told}
    del calls["cmdstat_config|resetstat"], calls["cmdstat_evalsha"]
    assert sum(calls.values()) == commands, calls


def test_it_leaves_leases_that_ran_out_to_the_next_trip(system: QueueSystem) -> None:
    system.add("b")
    system.take("gone")
    for _ in range(4):
        system.tend()
        system.clock.advance(LEASE_MS // 4 + 1)
    system.join("w")
    system.add("a")
    assert [job.id for job in wake(system, "q", want=1).jobs] == ["a"]
    assert system.states("b") == ["active:gone"]
    system.trip("w", 0, number=10)
    assert system.states("b") == ["ready"]


def test_who_was_late_takes_nothing(system: QueueSystem) -> None:
    system.join("w")
    system.add("a")
    system.trip("w", 0, number=9)
    assert wake(system, "q").status.name == "LATE"
    assert system.states("a") == ["ready"]
