"""Where a key is damaged a script breaks off: no job is in no set then, nor said to be there when it is not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from jqjobs.errors import StoreError
from jqjobs.jobs.blame import Scope
from jqjobs.jobs.flow import OnDead, written
from jqjobs.jobs.records import Kind, NewJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import batches, enqueueing, leases, relaying, upkeep
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.steps import run_steps
from store.lua.test_damage import KEYS, fresh, overwrite, work_on
from store.lua.test_moves import Killed, move
from store.queue_system import LEASE_MS, START_MS, QueueSystem, outcome

LATER = str(START_MS + 1000)


def new(job_id: str, **job: Any) -> NewJob:
    return NewJob("n", b"{}", id=job_id, **job)


def many(system: QueueSystem) -> None:
    """All sorts in one call."""
    jobs = [
        new("a"), new("b", priority=2), new("c", fields=("fair", "=g")), new("d", fields=("timeout", 5000)),
        new("e", key="k"), new("f", due=LATER),
    ]  # fmt: skip
    system.run(enqueueing.enqueue("q", jobs))


def relay(system: QueueSystem) -> None:
    rows = [("a", '{"job":"n"}'), ("b", '{"job":"n","key":"k"}'), ("c", '{"job":"n","delay_ms":1000}')]
    system.run(relaying.relay("q", rows))


def push_once(system: QueueSystem) -> None:
    """What is pushed stays in the inbox until it is taken in, so nobody sends it again."""
    if not system.redis("EXISTS", system.key("pushed")):
        system.redis("SET", system.key("pushed"), "1")
        with suppress(StoreError):
            system.push({"job": "n", "id": "a"}, {"job": "n", "id": "b", "key": "k"}, {"job": "n", "id": "c"})
    system.ingest()


WAYS: dict[str, Callable[[QueueSystem], object]] = {
    "plain": lambda system: system.add("a"),
    "urgent": lambda system: system.add("a", priority=3),
    "with options": lambda system: system.add("a", fields=("timeout", 5000)),
    "of a group": lambda system: system.add("a", fields=("fair", "=g")),
    "with a key": lambda system: system.add("a", key="k"),
    "due later": lambda system: system.add("a", due=LATER),
    "several": lambda system: system.add("a", "b", "c"),
    "many": many,
    "from an outbox": relay,
    "from the inbox": push_once,
}
IDS = {"several": "abc", "many": "abcdef", "from an outbox": "abc", "from the inbox": "abc"}


@pytest.mark.parametrize("part", ["ready", "scheduled", "unique", "turns", "wake", "meta", "settings", "batches"])
@pytest.mark.parametrize("way", WAYS)
def test_what_could_not_be_stored_is_when_it_is_sent_again(real_system: QueueSystem, way: str, part: str) -> None:
    fresh(real_system)
    overwrite(real_system, part)
    with suppress(StoreError):
        WAYS[way](real_system)
    real_system.clock.advance(60_000)
    real_system.tend()
    WAYS[way](real_system)

    assert sorted(work_on(real_system)) == sorted(IDS.get(way, "a"))


@pytest.mark.parametrize("part", KEYS)
def test_what_a_worker_has_in_hand_it_was_told_of(real_system: QueueSystem, part: str) -> None:
    system = real_system
    fresh(system)
    system.add("a", "b", fields=("fair", "=g"))
    system.add("c", fields=("fair", "=g", "timeout", 5000, "limits", "c 5 0 api"))
    system.add("plain")
    overwrite(system, part)
    told = [job.id for job in system.trip("w", 10, free=10).jobs]

    with suppress(StoreError):  # its own hand may be what is damaged
        assert sorted(system.active().get("w", [])) == sorted(told)


@pytest.mark.parametrize("part", ["turns", "unique", "ready", "wake", "meta"])
def test_a_dead_job_that_cannot_be_retried_stays_dead(real_system: QueueSystem, part: str) -> None:
    system = real_system
    fresh(system)
    system.add("a", key="k", fields=("fair", "=g"))
    system.settle("w", system.trip("w", 1).jobs[0], Kind.DISCARDED, text="boom")
    overwrite(system, part)
    with suppress(StoreError):
        system.run(upkeep.retry("q", ["a"]))
    system.clock.advance(60_000)
    system.tend()
    system.run(upkeep.retry("q", ["a"]))

    assert work_on(system) == ["a"]


def test_a_failure_counts_once_where_the_wake_token_was_written_over(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 2))
    [job] = system.take("w")
    overwrite(system, "wake")
    system.settle("w", job, Kind.FAILED, 1000, text="boom")

    assert (system.counters("a")["failures"], system.states("a")) == (1, ["scheduled"])


def test_a_damaged_record_does_not_spoil_a_trip_that_agrees_again(system: QueueSystem) -> None:
    system.add("bad", "fine")
    jobs = {job.id: job for job in system.take("w", 2)}
    system.redis("SET", system.key("job:bad"), "x")
    trip = system.trip("w", 0, [outcome(jobs["fine"], Kind.DONE)], in_hand=[])

    assert (trip.stale, trip.lost) == ((), ())
    assert (system.states("fine"), system.active()) == ([], {})


def test_a_step_that_could_not_begin_begins_once_its_queue_is_mended(real_system: QueueSystem) -> None:
    system = real_system
    fresh(system)
    system.add("first", fields=("fair", "=g", "flow", "t", "then", written([b'{"job":"n","group":"g"}'])))
    job = system.trip("w", 1).jobs[0]
    overwrite(system, "turns")
    system.settle("w", job)

    assert work_on(system) == ["first.2"]
    assert system.rejected() == []


@pytest.mark.parametrize(("field", "value"), [("keep", ""), ("succeeded", "-1.5")])
def test_a_member_is_not_to_blame_for_the_fields_of_its_batch(system: QueueSystem, field: str, value: str) -> None:
    system.run(batches.open_batch("q", "b", "nonce", OnDead.WAIT, 1000))
    system.add("a", fields=("flow", "b", "batch", "q/b"))
    system.run(batches.close_batch("q", "b", 1))
    [job] = system.take("w")
    system.redis("HSET", system.key("batch:b"), field, value)
    system.settle("w", job)

    assert system.states("a") == []


def test_one_that_cannot_come_does_not_keep_others_from_coming(system: QueueSystem) -> None:
    system.add("first", "bad", "last")
    with suppress(Killed):
        move(system, "first", "bad", "last", steps=2, to="r")
    assert sorted(system.ids("transfers")) == ["bad", "first", "last"]
    token = system.job("bad")["moving"].split(" ")[0]
    system.redis("HSET", system.key("job:bad"), "moving", f"{token} r dead soon")
    system.clock.advance(10_000)
    with pytest.raises(StoreError, match="not a valid float"):  # once it is alone
        run_steps(system.run, deliver_flow("q", 2000))

    assert [system.states(job_id, "r") for job_id in ("first", "last")] == [["ready"]] * 2
    assert (system.states("bad"), system.states("bad", "r")) == (["transfers"], [])


def test_who_waits_for_a_job_gets_that_one_not_what_would_replace_it(system: QueueSystem) -> None:
    system.add("a", key="k", fields=("flow", "t", "then", written([b'{"job":"n"}'])))
    [answer] = system.add("b", payload=b'{"args":[1]}', key="k", replace=True)

    assert (answer.created, answer.id, system.job("a")["payload"]) == (False, "a", "{}")


def test_a_suspect_that_lacks_what_it_must_have_is_dead_and_not_forgotten(system: QueueSystem) -> None:
    system.add("a", fields=("max_crashes", 5))
    [job] = system.take("w")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", job.attempt, "suspect 1 1")]))
    system.redis("HDEL", system.key("job:a"), "attempt")
    system.clock.advance(100_000)
    system.tend()
    system.take("v", 5, suspects=(1, Scope.HOST))

    assert (system.states("a"), system.job("a")["error"]) == (["dead"], "its field attempt is missing")


def test_what_is_left_of_a_record_that_somebody_deleted_takes_no_id(system: QueueSystem) -> None:
    system.add("a")
    [job] = system.take("w")
    system.redis("DEL", system.key("job:a"))
    system.settle("w", job, Kind.FAILED, 10, text="boom")
    system.clock.advance(1000)
    system.tend()
    [answer] = system.add("a")

    assert (answer.created, system.start_all()) == (True, ["a"])


def test_ten_thousand_queues_are_made_known_in_one_call(system: QueueSystem) -> None:
    system.run(upkeep.add_queues([f"q{n}" for n in range(10_000)]))

    assert len(system.store.queues()) == 10_000


def test_after_somebody_has_cleared_what_was_refused_it_fills_anew(system: QueueSystem) -> None:
    system.redis("HSET", system.key("meta"), "rejected_bytes", 67_108_000)
    system.push(*["nonsense " * 100] * 3)
    system.ingest()

    assert len(system.rejected()) == 3


def test_who_has_the_board_of_a_dead_worker_ends_all_that_it_had(system: QueueSystem) -> None:
    """In parts; meanwhile others come that look for leases that ran out, and know nothing of the board."""
    system.reaping_works_from_now()
    system.add(*[f"j{n:03}" for n in range(80)])
    system.take("w", 80)
    system.join("other")
    board = [BoardEntry(f"j{n:03}", 1, "succeeded") for n in range(80)]
    for _ in range(2):
        assert system.run(leases.leave("q", "w", "killed", board)) == leases.MOST_ENDED
        system.clock.advance(LEASE_MS // 10)
        system.tend()
        system.trip("other")
    assert system.run(leases.leave("q", "w", "killed", board)) == 20
    assert (system.ids("ready"), system.meta("done")) == ([], 80)


def test_where_who_had_its_board_ended_too_others_end_what_is_left(system: QueueSystem) -> None:
    system.reaping_works_from_now()
    system.add(*[f"j{n:03}" for n in range(40)])
    system.take("w", 40)
    system.run(leases.leave("q", "w", "killed"))
    assert len(system.ids("active:w")) == 10
    system.outlive_leases()

    assert (len(system.ids("ready")), system.ids("leases")) == (40, [])
