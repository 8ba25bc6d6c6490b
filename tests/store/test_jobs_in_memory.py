"""Jobs in memory come in the order in which Redis would give them, whatever becomes of those before them; who acts on
them is answered the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from jqjobs.inprocess.flows import Flows
from jqjobs.inprocess.memory_store import Record, Records, taken_job
from jqjobs.inprocess.replies import reply_to
from jqjobs.inprocess.settling import settle
from jqjobs.jobs.flow import OnDead
from jqjobs.jobs.groups import group_fields
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Enqueued, Kind, NewJob
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls import batches, enqueueing, flows, upkeep
from jqjobs.store.calls.cancels import cancel
from jqjobs.store.steps import run_steps
from jqjobs.testing import FrozenClock
from store.queue_system import START_MS, QueueSystem

STEPS = 150
ACTS: tuple[Callable[[str, Sequence[str]], Call[Any]], ...] = (cancel, upkeep.retry, upkeep.promote, upkeep.delete)
ENDS = ((Kind.DONE, 0), (Kind.FAILED, 0), (Kind.FAILED, 700), (Kind.SNOOZED, 700), (Kind.INTERRUPTED, 0))


class Both:
    """A store and jobs in memory, to which the same is done."""

    def __init__(self, system: QueueSystem) -> None:
        self.system = system
        self.clock = FrozenClock(START_MS)
        self.records = Records(self.clock)
        self.flows = flows = Flows(self.records)
        self.records.on_add, self.records.on_end, self.records.on_turn = flows.added, flows.ended, flows.turned
        system.join("w")

    def add(self, new: NewJob) -> None:
        in_redis: list[Enqueued] = self.system.run(enqueueing.enqueue("q", [new]))
        assert self.records.add("q", new) == in_redis[0], new

    def act(self, call: Call[Any]) -> None:
        assert call.parse(reply_to(self.records, self.flows, call)) == self.system.run(call), call.args

    def pass_time(self, ms: int) -> None:
        self.system.clock.advance(ms)
        self.clock.now_ms += ms
        self.system.trip("w")  # somebody is there to see what becomes due

    def take(self) -> tuple[TakenJob, Record] | None:
        jobs, record = self.system.trip("w", 1).jobs, self.records.take()
        assert [job.id for job in jobs] == ([record.id] if record else [])
        return (jobs[0], record) if record else None

    def end(self, job: TakenJob, record: Record, kind: Kind, number: int) -> None:
        self.system.settle("w", job, kind, number)
        settle(self.records, record, Outcome(taken_job(record), kind, delay_ms=number))


@pytest.mark.parametrize("seed", range(8))
def test_the_order_is_that_of_redis(system: QueueSystem, seed: int) -> None:
    random, both = Random(seed), Both(system)
    for number in range(STEPS):
        match random.randrange(7):
            case 0 | 1 | 2:
                key = random.choice(("", "", "", "k1", "k2"))
                both.add(
                    NewJob(
                        "n", b'{"args":[1]}', id=f"j{number:04}", priority=random.choice((0, 0, 0, 5)), key=key,
                        due=random.choice(("", "", f"+{random.randrange(1, 2000)}")),
                        fields=group_fields(random.choice(("a", "b", None)) if seed % 2 else None),
                        replace=bool(key) and random.random() < 0.5,
                    )
                )  # fmt: skip
            case 3:
                both.pass_time(random.randrange(1, 900))
            case 4 if random.random() < 0.3:
                both.act(random.choice((upkeep.pause("q"), upkeep.pause("q", "+400"), upkeep.resume("q"))))
            case 4:
                both.act(random.choice(ACTS)("q", [f"j{random.randrange(max(0, number - 20), number + 1):04}"]))
            case _:
                if taken := both.take():
                    both.end(*taken, *random.choice(ENDS))
    both.act(upkeep.resume("q"))
    both.pass_time(5000)
    while taken := both.take():
        both.end(*taken, Kind.DONE, 0)


@pytest.mark.parametrize("how", ["over", "cancelled", "a member is dead"])
def test_a_member_that_comes_late_fares_as_in_redis(system: QueueSystem, how: str) -> None:
    both = Both(system)
    both.act(batches.open_batch("q", "b", "nonce", OnDead.CANCEL, 10**9))
    if how == "a member is dead":
        both.add(NewJob("n", b"{}", id="first", fields=("flow", "b", "batch", "q/b")))
        both.act(cancel("q", ["first"]))
    else:
        both.act(batches.close_batch("q", "b", 0) if how == "over" else batches.cancel_batch("q", "b"))
    both.add(NewJob("n", b"{}", id="late", fields=("flow", "b", "batch", "q/b")))
    run_steps(system.run, flows.deliver_flow("q"))

    both.act(batches.batch_status("q", "b"))
    record = both.records.get("q", "late")
    assert record is not None
    assert system.states("late") == [record.state]
