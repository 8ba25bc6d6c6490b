"""Batches and chains over three queues: every order of add, close, end, kill, retry, cancel, delete, move and forget,
and of what is told from queue to queue: late, twice, in any order.

No model of the store: what is kept here is what people were promised. A batch calls `then` at most once, and `always`
once; a step begins once, when the one before has succeeded; and at the end nothing is open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jqjobs.jobs.flow import BatchState, BatchStatus, OnDead, written
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import batches, cancels, flows, leases, moves, telling, upkeep
from jqjobs.store.steps import run_steps
from property.choices import pick
from store.queue_system import QueueSystem, outcome

QUEUES = ("one", "two", "three")
MOST_JOBS = 60
some = st.integers(0, 2**10)
queues = st.sampled_from(QUEUES)
#: Ends of attempts: mostly one that leaves the batch waiting.
ENDS = (Kind.DONE, Kind.DONE, Kind.KEPT, Kind.FAILED, Kind.FAILED, Kind.DISCARDED, Kind.RELEASED, Kind.INTERRUPTED)
BOARD = ("crashed", "succeeded", "hung", "unstarted", "failed", "interrupted")
#: The name of jobs that have the id of a step or a callback, and are none.
STRANGER = "stranger"
IN_REACH = ("ready", "scheduled", "dead", "kept", "suspects")


@dataclass
class Known:
    """A batch as its makers know it. ``lost``: a member was deleted or forgotten before it succeeded.

    ``uncounted``: one was added from outside after it was closed, and may have stood for one that had not come yet.
    """

    home: str
    on_dead: OnDead
    added: int = 0
    closed: bool = False
    cancelled: bool = False
    lost: bool = False
    uncounted: bool = False


@dataclass
class Story:
    """All that was begun, and what has succeeded."""

    batches: dict[str, Known] = field(default_factory=dict)
    #: root of a chain → number of steps
    chains: dict[str, int] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    #: dead jobs that retention forgot
    forgotten: set[str] = field(default_factory=set)
    #: roots of what somebody has retried
    retried: set[str] = field(default_factory=set)
    succeeded: Counter[str] = field(default_factory=Counter)
    old_notices: list[tuple[str, list[str]]] = field(default_factory=list)
    in_hand: dict[str, list[TakenJob]] = field(default_factory=dict)
    #: member that is a chain → its batch
    batch_of: dict[str, str] = field(default_factory=dict)
    #: id that a step or a callback would have → how many jobs of strangers came, are gone, have succeeded
    strangers: Counter[str] = field(default_factory=Counter)
    strangers_gone: Counter[str] = field(default_factory=Counter)
    strangers_succeeded: Counter[str] = field(default_factory=Counter)
    number: int = 0


class FlowMachine(RuleBasedStateMachine):
    """One worker a queue, which is replaced when it dies."""

    begin: ClassVar[Callable[[], QueueSystem]]
    count: ClassVar[Callable[[], None]]

    def __init__(self) -> None:
        super().__init__()
        self.s = self.begin()
        self.s.redis("FLUSHALL")
        self.s.trips.clear()
        self.story = Story()
        self.workers = {queue: self.hire(queue) for queue in QUEUES}

    def fresh(self, letter: str) -> str:
        self.story.number += 1
        return f"{letter}{self.story.number}"

    def hire(self, queue: str) -> str:
        worker = self.fresh("w")
        self.s.join(worker, queues=(queue,))
        self.s.trips[worker] = 0
        self.story.in_hand[worker] = []
        return worker

    def has_room(self) -> bool:
        return self.story.number < MOST_JOBS

    # Producers

    @precondition(has_room)
    @rule(home=queues, on_dead=st.sampled_from(list(OnDead)))
    def open_a_batch(self, home: str, on_dead: OnDead) -> None:
        self.count()
        name = self.fresh("b")
        then, always = written([step("then", home)]), written([step("always", home)])
        self.s.run(batches.open_batch(home, name, "nonce", on_dead, 10**9, then, always))
        self.story.batches[name] = Known(home, on_dead)

    def open_batches(self) -> list[str]:
        return [name for name, known in self.story.batches.items() if not known.closed]

    @precondition(lambda self: self.has_room() and self.open_batches())
    @rule(queue=queues, n=some)
    def add_members(self, queue: str, n: int) -> None:
        """Some at once; some fail once and are tried again, some are dead at once; one in four is a chain."""
        self.count()
        name = pick(self.open_batches(), n)
        known = self.story.batches[name]
        ids = [self.fresh("m") for _ in range(1 + n % 3)]
        fields: tuple[Any, ...] = ("max_attempts", 1 + n % 2, "max_crashes", 1)
        if n % 4 == 0:
            steps = [step("n", pick(QUEUES, n + i), max_attempts=1) for i in range(1 + n % 2)]
            fields += ("then", written(steps), "flow", "tb")
            self.story.chains |= dict.fromkeys(ids, 1 + len(steps))
            self.story.batch_of |= dict.fromkeys(ids, name)
        else:
            fields += ("flow", "b")
        self.s.add(*ids, queue=queue, fields=(*fields, "batch", f"{known.home}/{name}"))
        known.added += len(ids)

    @precondition(lambda self: self.has_room() and self.story.batches)
    @rule(queue=queues, n=some)
    def add_too_late(self, queue: str, n: int) -> None:
        """To a batch that is closed, or over: nobody counts it."""
        name = pick(list(self.story.batches), n // 3)
        known = self.story.batches[name]
        if n % 3 or not known.closed:
            return
        self.count()
        self.s.add(self.fresh("m"), queue=queue, fields=("flow", "b", "batch", f"{known.home}/{name}"))
        known.uncounted = True

    @precondition(has_room)
    @rule(queue=queues, n=some)
    def begin_a_chain(self, queue: str, n: int) -> None:
        self.count()
        root = self.fresh("c")
        steps = [step("n", pick(QUEUES, n // (1 + i)), max_attempts=1) for i in range(1 + n % 4)]
        self.story.chains[root] = 1 + len(steps)
        self.s.add(root, queue=queue, fields=("max_attempts", 1, "flow", "t", "then", written(steps)))

    @precondition(lambda self: self.has_room() and (self.story.chains or self.story.batches))
    @rule(queue=queues, n=some)
    def a_stranger_comes(self, queue: str, n: int) -> None:
        """A job that is of no chain, with the id that a step or a callback is to have, or has."""
        if n % 3:
            return
        self.count()
        ids = [f"{root}.{number}" for root, steps in self.story.chains.items() for number in range(2, steps + 1)]
        ids += [f"{name}.{kind}" for name in self.story.batches for kind in ("then", "always")]
        job_id = pick(ids, n // 3)
        self.story.number += 1
        [made] = self.s.add(job_id, queue=queue, name=STRANGER, fields=("max_attempts", 1))
        self.story.strangers[job_id] += made.created is True

    @precondition(open_batches)
    @rule(n=some)
    def close_a_batch(self, n: int) -> None:
        self.count()
        self.close(pick(self.open_batches(), n))

    def close(self, name: str) -> None:
        known = self.story.batches[name]
        self.s.run(batches.close_batch(known.home, name, known.added))
        known.closed = True

    # Workers

    @rule(queue=queues, want=st.integers(1, 4))
    def take(self, queue: str, want: int) -> None:
        self.count()
        worker = self.workers[queue]
        self.story.in_hand[worker] += self.s.trip(worker, want, queues=(queue,), free=9).jobs

    @rule(queue=queues, n=some)
    def settle(self, queue: str, n: int) -> None:
        self.count()
        worker = self.workers[queue]
        jobs = self.story.in_hand[worker]
        ends = {job.id: pick(ENDS, n // (1 + i)) for i, job in enumerate(jobs[: 1 + n % 3])}
        self.settle_as(queue, ends)

    def settle_as(self, queue: str, ends: dict[str, Kind]) -> None:
        worker = self.workers[queue]
        jobs = [job for job in self.story.in_hand[worker] if job.id in ends]
        self.story.in_hand[worker] = [job for job in self.story.in_hand[worker] if job.id not in ends]
        numbers = {Kind.KEPT: 10**9, Kind.FAILED: 0}
        trip = self.s.trip(worker, 0, [outcome(job, ends[job.id], numbers.get(ends[job.id], 0)) for job in jobs],
            queues=(queue,))  # fmt: skip
        assert trip.stale == ()
        for job in jobs:
            if ends[job.id] in (Kind.DONE, Kind.KEPT):
                self.succeed(job)

    def succeed(self, job: TakenJob) -> None:
        job_id = job.id
        if job.name == STRANGER:
            self.story.strangers_succeeded[job_id] += 1
            return
        self.story.succeeded[job_id] += 1
        assert self.story.succeeded[job_id] == 1, f"{job_id} has succeeded twice"
        root, _, number = job_id.partition(".")
        if number.isdigit():
            before = root if number == "2" else f"{root}.{int(number) - 1}"
            assert self.story.succeeded[before], f"{job_id} began before {before} had succeeded"

    @rule(queue=queues, n=some)
    def a_worker_dies(self, queue: str, n: int) -> None:
        self.count()
        worker = self.workers[queue]
        jobs = self.story.in_hand[worker]
        words = {job.id: pick(BOARD, n // (1 + i)) for i, job in enumerate(jobs)}
        self.s.run(
            leases.leave(queue, worker, "killed", [BoardEntry(job.id, job.attempt, words[job.id]) for job in jobs])
        )
        for job in jobs:
            if words[job.id] == "succeeded":
                self.succeed(job)
        self.workers[queue] = self.hire(queue)

    # People, retention

    def jobs_in(self, queue: str) -> list[str]:
        return [job_id for state in IN_REACH for job_id in self.s.ids(state, queue) if job_id[0] in "mc"]

    @rule(queue=queues, n=some)
    def retry(self, queue: str, n: int) -> None:
        self.count()
        again = [job for i, job in enumerate(self.s.ids("dead", queue)) if n >> i & 1]
        self.story.retried |= {job_id.partition(".")[0] for job_id in again}
        self.s.run(upkeep.retry(queue, again))

    @rule(queue=queues, n=some)
    def cancel(self, queue: str, n: int) -> None:
        self.count()
        if jobs := self.jobs_in(queue):
            self.s.run(cancels.cancel(queue, [pick(jobs, n)]))

    @rule(queue=queues, n=some)
    def delete(self, queue: str, n: int) -> None:
        self.count()
        if jobs := self.jobs_in(queue):
            job_id = pick(jobs, n)
            self.lose(queue, job_id)
            self.s.run(upkeep.delete(queue, [job_id]))

    def lose(self, queue: str, job_id: str) -> None:
        """Note whom it concerns that this job is to be gone."""
        if job_id in self.s.ids("kept", queue):
            return
        if self.s.job(job_id, queue)["name"] == STRANGER:
            self.story.strangers_gone[job_id] += 1
            return
        self.story.broken.add(job_id.partition(".")[0])
        if batch := self.s.job(job_id, queue).get("batch"):
            self.story.batches[batch.split(" ")[0].partition("/")[2]].lost = True

    @rule(queue=queues, n=some)
    def move(self, queue: str, n: int) -> None:
        self.count()
        if jobs := self.jobs_in(queue):
            target = pick([other for other in QUEUES if other != queue], n)
            self.s.run(moves.move(queue, target, [pick(jobs, n // 2)]))

    @rule(queue=queues, keep=st.integers(0, 2))
    def the_dead_are_forgotten(self, queue: str, keep: int) -> None:
        self.count()
        dead = {job_id: self.s.job(job_id, queue) for job_id in self.s.ids("dead", queue)}
        self.s.tend(queue, max_dead=keep)
        for job_id in set(dead) - set(self.s.ids("dead", queue)):
            if dead[job_id]["name"] == STRANGER:
                self.story.strangers_gone[job_id] += 1
                continue
            self.story.forgotten.add(job_id)
            self.story.broken.add(job_id.partition(".")[0])
            if batch := dead[job_id].get("batch"):
                self.story.batches[batch.split(" ")[0].partition("/")[2]].lost = True

    @precondition(lambda self: self.story.batches)
    @rule(n=some)
    def cancel_a_batch(self, n: int) -> None:
        if n % 3:
            return
        self.count()
        name = pick(list(self.story.batches), n)
        known = self.story.batches[name]
        if self.s.run(batches.cancel_batch(known.home, name)) == 1:
            known.closed = known.cancelled = True

    @invariant()
    def who_cancels_reaches_every_member(self) -> None:
        """Once all that is to be told has been: none waits any more that nobody has retried since."""
        cancelled = [name for name, known in self.story.batches.items() if known.cancelled]
        if not cancelled or any(self.s.ids(key, queue) for queue in QUEUES for key in ("notices", "transfers")):
            return
        for queue in QUEUES:
            waiting = [job_id for key in ("ready", "scheduled", "suspects") for job_id in self.s.ids(key, queue)]
            for job_id in waiting:
                batch = self.s.job(job_id, queue).get("batch", " ").split(" ")[0].partition("/")[2]
                is_meant = batch in cancelled and job_id.partition(".")[0] not in self.story.retried
                assert not is_meant, f"{job_id} in {queue} goes on, and {batch} is cancelled"

    # From queue to queue

    @rule(queue=queues, n=some)
    def notices_arrive(self, queue: str, n: int) -> None:
        """Some of them, in any order; whoever has brought them may die before that is noted."""
        self.count()
        waiting = [each for each in self.s.run(telling.notices(queue)) if not each.startswith("~")]
        for home in QUEUES:
            told = [each for i, each in enumerate(waiting) if each.lstrip("+").startswith(f"{home}/") and n >> i & 1]
            if told:
                self.s.run(telling.notify(home, told[:: -1 if n % 2 else 1]))
                self.story.old_notices.append((home, told))
                if n % 3:
                    self.s.run(telling.noticed(queue, told))

    @precondition(lambda self: self.story.old_notices)
    @rule(n=some)
    def a_late_notice_arrives(self, n: int) -> None:
        self.count()
        home, told = pick(self.story.old_notices, n)
        self.s.run(telling.notify(home, told))

    @rule(queue=queues)
    def a_daemon_delivers(self, queue: str) -> None:
        self.count()
        run_steps(self.s.run, flows.deliver_flow(queue))

    @rule(ms=st.sampled_from((0, 10, 20_000)))
    def time_passes(self, ms: int) -> None:
        self.count()
        self.s.clock.advance(ms)
        for queue, worker in self.workers.items():
            self.s.run(leases.renew([queue], 30_000, [worker]))

    # What holds

    def status(self, name: str) -> BatchStatus:
        found = self.s.run(batches.batch_status(self.story.batches[name].home, name))
        assert isinstance(found, BatchStatus)
        return found

    @invariant()
    def nothing_is_called_too_early(self) -> None:
        for name, known in self.story.batches.items():
            if not known.closed:
                assert not self.there(f"{name}.then"), f"then of {name}, which is open"
                assert not self.there(f"{name}.always"), f"always of {name}, which is open"

    def there(self, job_id: str) -> bool:
        names = [self.s.job(job_id, queue).get("name", STRANGER) for queue in QUEUES]
        return names != [STRANGER] * len(QUEUES) or self.story.succeeded[job_id] > 0

    def teardown(self) -> None:
        """Close all, run all, retry all: then everything that was promised has come, and nothing is left."""
        for name in self.open_batches():
            self.close(name)
        for _ in range(60):
            self.run_everything()
            if not any(self.left(queue) for queue in QUEUES):
                break
        refused = self.refused()
        for name, known in self.story.batches.items():
            self.check(name, known, refused)
        for root, steps in self.story.chains.items():
            if root not in self.story.broken | {each.partition(".")[0] for each in refused}:
                last = root if steps == 1 else f"{root}.{steps}"
                assert self.story.succeeded[last] == 1, f"{last} never ran"

        for job_id, came in self.story.strangers.items():
            gone, succeeded = self.story.strangers_gone[job_id], self.story.strangers_succeeded[job_id]
            assert came == gone + succeeded, f"of {came} strangers {job_id} {gone} were deleted, {succeeded} succeeded"

    def refused(self) -> set[str]:
        """Ids of what did not begin since a stranger had its id."""
        said = [why for queue in QUEUES for why, _ in self.s.rejected(queue)]
        found = {why.removeprefix("id_taken: there is a ").removesuffix(" already") for why in said}
        assert found <= set(self.story.strangers), found
        return found

    def run_everything(self) -> None:
        for queue in QUEUES:
            for job in list(self.story.in_hand[self.workers[queue]]):
                self.settle_as(queue, {job.id: Kind.DONE})
            run_steps(self.s.run, flows.deliver_flow(queue))
            self.s.clock.advance(20_000)
            self.s.run(leases.renew([queue], 30_000, list(self.workers.values())))
            self.s.run(upkeep.promote(queue, self.s.ids("scheduled", queue)))
            self.s.run(upkeep.retry(queue, self.s.ids("dead", queue)))
            self.suspects_are_ready(queue)
            self.take(queue, 10)

    def suspects_are_ready(self, queue: str) -> None:
        for job_id in self.s.ids("suspects", queue):
            self.s.redis("ZREM", self.s.key("suspects", queue), job_id)
            self.s.redis("ZADD", self.s.key("ready", queue), 1, job_id)

    def left(self, queue: str) -> list[str]:
        states = ("ready", "scheduled", "dead", "transfers", "notices", "suspects")
        found = [job_id for state in states for job_id in self.s.ids(state, queue)]
        return found + [job.id for job in self.story.in_hand[self.workers[queue]]]

    def came(self, job_id: str) -> int:
        """How often what a batch calls has come: that it succeeded, or died and was forgotten."""
        return self.story.succeeded[job_id] + (job_id in self.story.forgotten)

    def check(self, name: str, known: Known, refused: set[str]) -> None:
        status = self.status(name)
        called = {kind: self.came(f"{name}.{kind}") + (f"{name}.{kind}" in refused) for kind in ("then", "always")}
        is_lost = known.lost or name in {self.story.batch_of.get(each.partition(".")[0]) for each in refused}
        shown = (
            f"batch {name} {known} is {status.state}, has called {called}, and {status.open} open, {status.dead} dead"
        )
        assert status.open == 0, shown
        assert status.is_over, shown
        assert called["always"] == 1, shown
        assert called["then"] == (status.state is BatchState.SUCCEEDED), shown
        if known.on_dead is OnDead.WAIT and not (known.cancelled or known.uncounted):
            assert status.state is (BatchState.FAILED if is_lost else BatchState.SUCCEEDED), shown


def step(name: str, queue: str, **more: int) -> bytes:
    extra = "".join(f',"{key}":{value}' for key, value in more.items())
    return f'{{"job":"{name}","queue":"{queue}"{extra}}}'.encode()
