"""The state machine: what producers, workers, daemons, people, networks and clocks do to the scripts.

Each rule does one thing to the real scripts and to the model, then answers, whole state and invariants are
compared. Rules choose with plain integers, so that Hypothesis has little to draw and much to shrink.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from jqjobs.errors import StoreFull
from jqjobs.job import Kind, Status
from jqjobs.store import calls
from jqjobs.store.calls import BoardEntry
from jqjobs.store.store import Store
from property.choices import BOARD, ENTRIES, JUMPS, MODES, NAMES, QUEUES, SPANS, envelope, new_job, pick, stored
from property.client import Client, Packet
from property.invariants import check_state, check_step
from property.drain import lift_everything, run_everything
from property.model import Model
from property.queue_model import LEASE_MS, New, Report
from property.state import read_state

MOST_JOBS, MOST_WORKERS, MOST_PACKETS = 40, 4, 30

some = st.integers(0, 2**10)
which_queue = st.sampled_from(QUEUES)



class Machine(RuleBasedStateMachine):
    """Two queues, a few workers, a store whose clock the rules set."""

    store: ClassVar[Store]
    clock: ClassVar[Any]
    #: Called once for every step.
    count: ClassVar[Callable[[], None]] = staticmethod(lambda: None)

    def __init__(self) -> None:
        super().__init__()
        self.set_limit(full=False)
        self.store.wire.call("FLUSHALL")
        self.clock.now_ms = 1_700_000_000_000
        self.model = Model(QUEUES)
        self.clients: list[Client] = []
        self.delayed: list[Packet] = []
        self.sent: list[Packet] = []
        self.names = 0
        self.before = read_state(self.store, QUEUES)

    # How a step is made and checked

    @property
    def now(self) -> int:
        return int(self.clock.now_ms)

    def set_limit(self, *, full: bool) -> None:
        self.full = full
        self.store.wire.call("CONFIG", "SET", "maxmemory", 1 if full else 0)

    def check(self, answer: object, expected: object) -> None:
        """Compare an answer and everything there is with the model."""
        assert answer == expected
        after = read_state(self.store, QUEUES)
        check_state(after)
        check_step(self.before, after)
        for name, queue in self.model.view().items():
            queue.wake = after[name].wake
            for part, value in vars(queue).items():
                assert getattr(after[name], part) == value, f"{part} of queue {name}"
        self.before = after

    def step(self) -> None:
        type(self).count()

    def fresh(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def jobs_of(self, queue: str) -> list[str]:
        return list(self.model.queues[queue].jobs)

    # Producers

    @precondition(lambda self: self.has_room())
    @rule(queue=which_queue, n=some, size=st.integers(1, 3))
    def enqueue(self, queue: str, n: int, size: int) -> None:
        self.step()
        new = [self.new_job(queue, n + 7 * i) for i in range(size)]
        call = calls.enqueue(queue, [stored(job) for job in new])
        if self.full:
            self.refused(call)
        else:
            answer = [(done.id, done.created) for done in self.store.run(call)]
            self.check(answer, self.model.enqueue(queue, self.now, new))

    def has_room(self) -> bool:
        return sum(len(queue.jobs) + len(queue.inbox) for queue in self.model.queues.values()) < MOST_JOBS

    def new_job(self, queue: str, n: int) -> New:
        known = self.jobs_of(queue)
        return new_job(n, pick(known, n) if known and n % 11 == 0 else self.fresh("j"))

    @precondition(lambda self: self.has_room())
    @rule(queue=which_queue, n=some)
    def push_and_ingest(self, queue: str, n: int) -> None:
        self.step()
        for new in (None if n % 3 == 0 else self.new_job(queue, n), self.new_job(queue, n + 1)):
            self.store.wire.call("LPUSH", f"jq:{{{queue}}}:inbox", envelope(new))
            self.model.queues[queue].inbox.append(new)
        call = calls.ingest(queue, "nonce")
        if self.full:
            self.refused(call)
        else:
            done = self.store.run(call)
            self.check((done.accepted, done.rejected, done.present, done.left), self.model.ingest(queue, self.now))

    def refused(self, call: calls.Call[Any]) -> None:
        try:
            self.store.run(call)
        except StoreFull:
            self.check(None, None)
        else:
            raise AssertionError("a full server took a new job")

    # Workers

    @precondition(lambda self: len(self.clients) < MOST_WORKERS)
    @rule(again=some)
    def join(self, again: int) -> None:
        self.step()
        worker = self.fresh("w")
        for queue in QUEUES:
            answer = self.store.run(calls.join(queue, worker, LEASE_MS))
            self.check(answer, self.model.join(queue, self.now, worker))
        self.clients.append(Client(worker, QUEUES))
        known = list(self.model.queues["a"].seen)
        if again % 3 == 0:
            gone = pick(known, again)
            self.check(self.store.run(calls.join("a", gone, LEASE_MS)), self.model.join("a", self.now, gone))

    @precondition(lambda self: self.clients)
    @rule(
        n=some, want=st.integers(0, 6), kinds=st.lists(st.sampled_from(list(Kind)), max_size=3),
        fate=st.sampled_from(("answered", "answered", "answered", "reply lost", "delayed")), forge=some,
    )  # fmt: skip
    def exchange(self, n: int, want: int, kinds: list[Kind], fate: str, forge: int) -> None:
        self.step()
        client = pick(self.clients, n)
        reports = client.finish(kinds, 1500 * (n % 2))
        packet = client.packet(want, reports, self.forged(client, forge))
        if fate == "delayed":
            self.delayed.append(packet)
            client.lost_touch = True
            return
        answer = self.deliver(packet)
        if answer.status is Status.FENCED:
            self.clients.remove(client)
        elif fate == "reply lost":
            client.lost_touch = True
        else:
            client.hear(answer)

    @precondition(lambda self: self.clients)
    @rule(n=some)
    def release_everything(self, n: int) -> None:
        """A worker that drains gives back all it holds."""
        self.exchange(n, 0, [Kind.RELEASED] * 10, "answered", 1)

    @precondition(lambda self: self.clients)
    @rule(n=some, kind=st.sampled_from(list(Kind)), want=st.integers(0, 6))
    def finish_everything(self, n: int, kind: Kind, want: int) -> None:
        self.exchange(n, want, [kind] * 10, "answered", 1)

    def forged(self, client: Client, n: int) -> list[Report]:
        """Now and then a report that cannot count: another's job, or an attempt that is over or to come."""
        queue = pick(QUEUES, n)
        known = self.jobs_of(queue)
        if not known or n % 2:
            return []
        job_id = pick(known, n // 4)
        attempt = self.model.queues[queue].jobs[job_id].attempt + pick((0, 1, -1, 2), n // 16)
        held = self.model.queues[queue].active.get(client.id, {}).get(job_id)
        if held or (queue, job_id) in client.running or any(r.id == job_id for r in client.pending):
            return []
        return [Report(queue, job_id, attempt, pick(list(Kind), n // 64), 0)]

    def deliver(self, packet: Packet) -> calls.Trip:
        answer = self.store.run(packet.call)
        self.sent = [*self.sent[-MOST_PACKETS:], packet]
        expected = self.model.exchange(
            packet.worker, packet.trip, packet.want, self.now, packet.reports, packet.held
        )  # fmt: skip
        jobs = [(job.queue, job.id, job.attempt) for job in answer.jobs]
        self.check(
            (answer.status, sorted(answer.stale), sorted(answer.lost), jobs),
            (expected.status, sorted(job_id for _, job_id in expected.stale), sorted(job_id for _, job_id in expected.lost), expected.jobs),
        )
        return answer

    # The network

    @precondition(lambda self: self.delayed)
    @rule(n=some)
    def a_late_trip_arrives(self, n: int) -> None:
        """Its worker has given it up: it may have resynced since, been reaped, or died."""
        self.step()
        self.deliver(self.delayed.pop(n % len(self.delayed)))

    @precondition(lambda self: self.sent)
    @rule(n=some)
    def a_trip_arrives_again(self, n: int) -> None:
        self.step()
        assert self.deliver(pick(self.sent, n)).status is not Status.OK

    # Daemons

    @precondition(lambda self: self.clients)
    @rule(n=some, mode=st.sampled_from(MODES), board=st.lists(st.sampled_from(BOARD), min_size=6, max_size=6), half=some)
    def a_worker_dies(self, n: int, mode: str, board: list[str], half: int) -> None:
        """Its daemon buries it, in all queues or only in one; then the rest is up to its lease."""
        self.step()
        client = self.clients.pop(n % len(self.clients))
        for queue in QUEUES[: 1 + (half % 4 > 0)]:
            self.bury(client, queue, mode, board)
        if half % 5 == 0:
            self.bury(client, QUEUES[0], mode, board)

    def bury(self, client: Client, queue: str, mode: str, states: list[str]) -> None:
        held = [job for (name, _), job in client.running.items() if name == queue]
        board = {
            job.id: (job.attempt - (state == "outdated"), "running" if state == "outdated" else state)
            for job, state in zip(held, states, strict=False)
            if state != "unstarted"
        }
        entries = [BoardEntry(job_id, attempt, state) for job_id, (attempt, state) in board.items()]
        answer = self.store.run(calls.leave(queue, client.id, mode, "killed", entries))
        self.check(answer, self.model.leave(queue, self.now, client.id, mode, board))

    @precondition(lambda self: self.clients)
    @rule(n=some)
    def a_host_vanishes(self, n: int) -> None:
        """Nobody buries this worker; what it sent may still arrive."""
        self.step()
        self.clients.pop(n % len(self.clients))

    @rule(queue=which_queue, n=some)
    def renew(self, queue: str, n: int) -> None:
        self.step()
        workers = [client.id for i, client in enumerate(self.clients) if n >> i & 1]
        self.do_renew(queue, [*workers, "stranger"], [name for i, name in enumerate(NAMES) if n >> (5 + i) & 1])

    def do_renew(self, queue: str, workers: list[str], names: list[str]) -> None:
        answer = self.store.run(calls.renew(queue, LEASE_MS, workers, names))
        self.check(answer, self.model.renew(queue, self.now, workers, names))

    @rule(queue=which_queue, n=some)
    def housekeep(self, queue: str, n: int) -> None:
        self.step()
        self.do_housekeep(queue, pick((1000, 1000, 2, 0), n), pick((10**12, 10**12, 5000), n // 4))

    def do_housekeep(self, queue: str, max_dead: int = 1000, dead_ms: int = 10**12) -> None:
        answer = self.store.run(calls.housekeep(queue, LEASE_MS, max_dead, dead_ms))
        self.check(answer.reaped, self.model.housekeep(queue, self.now, max_dead, dead_ms))

    @rule(n=some)
    def leases_run_out(self, n: int) -> None:
        """Housekeeping goes on; only some workers are renewed."""
        self.step()
        renewed = [client.id for i, client in enumerate(self.clients) if n >> i & 1]
        for _ in range(5):
            self.clock.now_ms += 7500
            for queue in QUEUES:
                self.do_renew(queue, renewed, [])
                self.do_housekeep(queue)

    @rule(queue=which_queue, name=st.sampled_from(NAMES), entry=st.sampled_from(ENTRIES))
    def the_catalog_changes(self, queue: str, name: str, entry: dict[str, int]) -> None:
        self.step()
        answer = self.store.run(calls.publish(queue, LEASE_MS, {name: entry}))
        self.check(answer, self.model.publish(queue, self.now, {name: entry}))

    # People, clocks, memory

    @rule(queue=which_queue, resume=st.booleans())
    def pause_or_resume(self, queue: str, resume: bool) -> None:
        self.step()
        answer = self.store.run(calls.pause(queue, resume=resume))
        self.check(answer, self.model.pause(queue, resume=resume))

    @rule(queue=which_queue, n=some)
    def retry(self, queue: str, n: int) -> None:
        self.step()
        ids = [*list(self.model.queues[queue].dead)[: n % 4], *self.jobs_of(queue)[:1], "ghost"]
        self.check(self.store.run(calls.retry(queue, ids)), self.model.retry(queue, ids))

    @rule(span=st.sampled_from(SPANS))
    def time_passes(self, span: int) -> None:
        self.step()
        self.clock.now_ms += span

    @rule(jump=st.sampled_from(JUMPS))
    def the_clock_jumps(self, jump: int) -> None:
        self.step()
        self.clock.now_ms += jump

    @rule(full=st.booleans())
    def memory_is_full_or_not(self, full: bool) -> None:
        self.step()
        self.set_limit(full=full)

    def teardown(self) -> None:
        """Whatever happened: in the end everything that was accepted can be run."""
        lift_everything(self)
        run_everything(self)
