"""Groups of jobs take turns, however many jobs one of them has (lua/rules/turns/)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from jqjobs.jobs.groups import group_fields
from jqjobs.jobs.records import Kind, NewJob
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls import enqueueing, fast_trips, trips, upkeep
from jqjobs.store.calls.relaying import relay
from store.queue_system import LEASE_MS, QueueSystem, outcome


def add(system: QueueSystem, *ids: str, group: str = "", **options: object) -> None:
    """Add jobs of one group."""
    system.add(*ids, fields=group_fields(group), **options)


def taken(system: QueueSystem, want: int = 100) -> list[str]:
    return [job.id for job in system.take("w", want)]


def test_a_newcomer_waits_for_one_job_of_each_group(system: QueueSystem) -> None:
    add(system, *(f"w{n:03}" for n in range(100)), group="whale")
    assert taken(system, 10) == [f"w{n:03}" for n in range(10)]
    add(system, "x1", "x2", group="small")

    assert taken(system, 5) == ["w010", "x1", "w011", "x2", "w012"]


def test_jobs_of_one_group_keep_their_order(system: QueueSystem) -> None:
    for n in range(20):
        add(system, f"j{9 - n % 10}{n}", group="ab"[n % 2])

    order = taken(system)
    for parity in (0, 1):
        mine = [job_id for job_id in order if int(job_id[2:]) % 2 == parity]
        assert mine == sorted(mine, key=lambda job_id: int(job_id[2:]))


def test_what_waits_when_the_first_group_comes_is_one_group(system: QueueSystem) -> None:
    """Also where an old job has come back to its place at the head."""
    add(system, *(f"old{n:02}" for n in range(40)))
    [first, *rest] = system.take("w", 20)
    system.trip("w", 0, [outcome(first, Kind.RELEASED), *(outcome(job, Kind.DONE) for job in rest)])
    add(system, *(f"g{n:02}" for n in range(40)), group="g")
    add(system, "late")

    order = taken(system)
    assert order[0] == first.id
    assert 35 < order.index("old39") < 45
    assert order.index("late") > order.index("old39")


@pytest.mark.parametrize("due", ["", "+60000"])
def test_the_first_group_of_a_priority_sees_what_comes_in_its_own_call(system: QueueSystem, due: str) -> None:
    """Also where one of it comes before, which waits for its time."""
    add(system, "x", group="x")
    early = [NewJob("n", b"{}", id="later", priority=1, due=due, fields=group_fields("g"))] if due else []
    crowd = [NewJob("n", b"{}", id=f"u{n}", priority=1) for n in range(5)]
    newcomer = NewJob("n", b"{}", id="g", priority=1, fields=group_fields("g"))
    system.run(enqueueing.enqueue("q", [*early, *crowd, newcomer]))

    assert taken(system).index("g") <= 1


def test_jobs_that_come_alone_take_the_turns_that_those_of_one_call_take(system: QueueSystem) -> None:
    """Other commands do that (rules/arrival/alone.lua)."""
    said = [("", 0), ("a", 0), ("a", 0), ("", 0), ("b", 5), ("", 5), ("b", 5), ("c", 0), ("a", 0), ("", -1)]
    system.join("w", queues=["one", "many"])
    for batch in "xy":
        fields = [group_fields(group) or ("keep", 1) for group, _ in said]
        jobs = [NewJob("n", b"{}", f"{batch}{n}", said[n][1], fields=fields[n]) for n in range(len(said))]
        for job in jobs:
            system.run(enqueueing.enqueue("one", [job]))
        system.run(enqueueing.enqueue("many", jobs))
        for queue in ("one", "many"):
            system.take("w", 4, queues=[queue])

    for key in ("ready", "turns"):
        one, many = (system.redis("ZRANGE", system.key(key, queue), 0, -1, "WITHSCORES") for queue in ("one", "many"))
        assert one == many
    assert all(system.job(f"y{n}", "one") == system.job(f"y{n}", "many") for n in range(len(said)))


def test_jobs_of_one_call_that_differ_in_their_group_are_sent_group_by_group_and_answered_in_their_order(
    system: QueueSystem,
) -> None:
    jobs = [
        NewJob("n", b"{}", f"j{n}", fields=("keep", 1, *group_fields("abc"[n % 3]), "tags", "x")) for n in range(30)
    ]
    system.run(enqueueing.enqueue("one", [jobs[7]]))
    call = enqueueing.enqueue("one", jobs)
    answer = system.run(call)
    for job in (jobs[7], *jobs):
        system.run(enqueueing.enqueue("two", [job]))

    assert [made.id for made in answer] == [job.id for job in jobs]
    assert [n for n, made in enumerate(answer) if not made.created] == [7]
    assert list(call.args).count("fair") == 3
    for key in ("ready", "turns"):
        one, two = (system.redis("ZRANGE", system.key(key, queue), 0, -1, "WITHSCORES") for queue in ("one", "two"))
        assert one == two


@pytest.mark.parametrize("differs", [{"priority": 1}, {"key": "k"}, {"fields": ()}, {"name": "m"}], ids=str)
def test_jobs_that_differ_in_more_are_sent_as_they_come(differs: dict[str, Any]) -> None:
    jobs = [NewJob("n", b"{}", f"j{n}", fields=group_fields("ba"[n % 2])) for n in range(4)]
    jobs[2] = replace(jobs[2], **differs)
    assert [arg for arg in enqueueing.enqueue("q", jobs).args if str(arg).startswith("j")] == [job.id for job in jobs]


def test_a_priority_goes_before_any_turn(system: QueueSystem) -> None:
    add(system, *(f"w{n}" for n in range(3)), group="w")
    add(system, "x", group="x", priority=-1)
    add(system, "u1", "u2", group="w", priority=1)
    add(system, "v", group="v", priority=1)

    assert taken(system) == ["u1", "v", "u2", "w0", "w1", "w2", "x"]


def test_a_retry_and_what_was_put_off_take_a_turn_of_their_group(system: QueueSystem) -> None:
    add(system, *(f"w{n}" for n in range(6)), group="whale")
    add(system, "x", group="small", due="+1000")
    [failing] = system.take("w", 1)
    system.trip("w", 0, [outcome(failing, Kind.FAILED, 1000)])
    system.clock.advance(1000)

    assert taken(system) == ["w1", "x", "w2", "w3", "w4", "w5", "w0"]


def test_what_comes_back_is_no_step_back(system: QueueSystem) -> None:
    add(system, *(f"w{n}" for n in range(30)), group="whale")
    first, *others = system.take("w", 20)
    system.trip("w", 0, [outcome(first, Kind.RELEASED), *(outcome(job, Kind.DONE) for job in others)])
    assert taken(system, 1) == [first.id]
    add(system, *(f"x{n}" for n in range(5)), group="small")

    assert set(taken(system, 4)) == {"w20", "w21", "x0", "x1"}


def test_a_fast_trip_notes_how_far_turns_have_got(system: QueueSystem) -> None:
    add(system, *(f"w{n:02}" for n in range(40)), group="whale")
    system.join("w")
    numbers = count(1)
    done = system.trip("w", 10).jobs
    answer = system.run(fast_trips.fast_trip("q", "w", 100 + next(numbers), 10, done=done, now_ms=system.clock.now_ms))
    assert len(answer.jobs) == 10
    add(system, "x", group="small")

    assert [job.id for job in answer.jobs][-1] == "w19"
    assert system.score("turns", "0") == system.score("ready", "x") - 1


def test_groups_are_forgotten_once_all_of_theirs_is_taken(system: QueueSystem) -> None:
    for n in range(50):
        add(system, f"j{n}", group=f"g{n}")
    add(system, *(f"w{n}" for n in range(3)), group="whale")
    assert system.redis("ZCARD", system.key("turns")) == 52
    taken(system, 52)

    assert sorted(system.ids("turns")) == ["0", "0 =whale"]
    taken(system)
    system.run(upkeep.housekeep("q", LEASE_MS, 1000, 10**9))
    assert system.redis("EXISTS", system.key("turns")) == 0


def test_a_queue_without_groups_knows_of_none(system: QueueSystem) -> None:
    add(system, "a", "b")
    taken(system)

    assert (system.redis("EXISTS", system.key("turns")), system.meta("turns")) == (0, None)


def commands(system: QueueSystem, queue: str, groups: Sequence[str], payload: bytes) -> Counter[str]:
    """What Redis does for 120 jobs of these groups, by turns, that come in one call and go in three trips."""
    system.join("w", queues=(queue,))
    system.redis("CONFIG", "RESETSTAT")
    each = [NewJob("n", payload, f"j{n:03}", fields=group_fields(groups[n % len(groups)])) for n in range(120)]
    system.run(enqueueing.enqueue(queue, each))
    done: list[TakenJob] = []
    for number in (1, 2, 3):
        done = system.run(trips.exchange([queue], "w", number, 40, LEASE_MS, done=done)).jobs
        assert len(done) == 40
    told = system.redis("INFO", "commandstats").decode()
    return Counter({name: int(calls) for name, calls in re.findall(r"cmdstat_(\S+):calls=(\d+)", told)})


@pytest.mark.parametrize("payload", [b"{}", b'{"args":["%b"]}' % (b"x" * 100)], ids=["short", "long"])
def test_a_group_costs_commands_by_call_and_by_trip_and_none_by_job(live_system: QueueSystem, payload: bytes) -> None:
    """Its name may be a number, as other fields of a record are."""
    plain = commands(live_system, "one", ["", ""], payload)
    for queue, groups in (("two", ["7"]), ("three", ["a", "7", "c"])):
        more = commands(live_system, queue, groups, payload) - plain
        assert more.total() <= 14 + 2 * len(groups), more


@pytest.mark.parametrize("groups", [2, 40])
def test_what_is_taken_has_the_rank_that_it_had(system: QueueSystem, groups: int) -> None:
    """Also where few are asked for theirs, since many have the same."""
    for group in range(groups):
        add(system, *(f"j{group:02}{n:02}" for n in range(200 // groups)), group=f"g{group}")
    system.take("v", 20)
    system.redis("ZREM", system.key("ready"), *system.ids()[10:90:3])
    before = ranks(system, "ready")
    assert len(system.take("w", 80)) == 80
    assert {member.split()[0]: rank for member, rank in ranks(system, "active:w").items()}.items() <= before.items()


def ranks(system: QueueSystem, part: str) -> dict[str, str]:
    found = [text.decode() for text in system.redis("ZRANGE", system.key(part), 0, -1, "WITHSCORES")]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("priority", [0, 4095, -4096])
def test_turns_are_taken_in_every_priority(system: QueueSystem, priority: int) -> None:
    add(system, "a1", "a2", "a3", group="a", priority=priority)
    add(system, "b1", group="b", priority=priority)
    assert taken(system, 2) == ["a1", "b1"]
    add(system, "c1", group="c", priority=priority)

    assert taken(system) == ["a2", "c1", "a3"]


def test_what_an_outbox_brings_call_by_call_takes_turns_too(system: QueueSystem) -> None:
    for first in (0, 10):
        rows = [(f"w{n:02}", '{"job":"n","group":"whale"}') for n in range(first, first + 10)]
        system.run(relay("q", rows))
    add(system, "x", group="small")

    order = taken(system)
    assert [job_id for job_id in order if job_id != "x"] == [f"w{n:02}" for n in range(20)]
    assert order.index("x") < 2
