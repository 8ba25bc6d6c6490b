"""The real scripts and the model side by side: each operation is done to both, then everything is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jqjobs.errors import StoreFull
from jqjobs.jobs.records import Enqueued, Kind, Status
from jqjobs.link.board import BoardEntry
from jqjobs.store.call import Call
from jqjobs.store.calls import enqueueing, leases, moves, transfers, upkeep
from jqjobs.store.calls.cancels import cancel, cancels
from jqjobs.store.calls.recalls import recall
from jqjobs.store.calls.trips import Trip
from jqjobs.store.calls.waits import expect, resolve
from jqjobs.store.store import Store
from property.choices import QUEUES, envelope, pick, stored
from property.client import Client, Packet
from property.invariants import REFUSED, check_state, check_step
from property.job_model import New, Reply, Report
from property.model import Answer, Model
from property.move_model import Parcel
from property.queue_model import LEASE_MS
from property.state import read_state
from property.way_model import Has
from store.queue_system import START_MS, Clock

MOST_PACKETS = 30
MOST_BUNDLES = 10
MOST_JOBS = 30
FOREVER_MS = 10**12


class Bundle(NamedTuple):
    """Jobs on their way out of a queue, as somebody has read them there."""

    queue: str
    found: transfers.Transfers
    expected: list[Parcel]


class System:
    """An empty server and an empty model, and the packets that are between them and the workers."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.set_limit(full=False)
        store.wire.call("FLUSHALL")
        clock.now_ms = START_MS
        self.model = Model(QUEUES)
        self.clients: list[Client] = []
        self.delayed: list[Packet] = []
        self.sent: list[Packet] = []
        self.bundles: list[tuple[Bundle, str]] = []
        self.names = 0
        self.refused: set[str] = set()
        self.is_sound = True
        self.before = read_state(store, QUEUES)

    @property
    def now(self) -> int:
        return self.clock.now_ms

    def set_limit(self, *, full: bool) -> None:
        """Put the memory limit below what is in use, or lift it."""
        self.full = full
        self.store.wire.call("CONFIG", "SET", "maxmemory", 1 if full else 0)

    def check(self, answer: object, expected: object) -> None:
        """Compare an answer, and everything there is, with the model; then look at the invariants."""
        self.is_sound = False
        assert answer == expected
        after = read_state(self.store, QUEUES)
        self.refused |= {job_id for queue in after.values() for job_id, values in queue.jobs.items() if values[REFUSED]}
        check_state(after, self.refused)
        check_step(self.before, after)
        for name, queue in self.model.view().items():
            queue.wake = after[name].wake
            for part, value in vars(queue).items():
                assert getattr(after[name], part) == value, f"{part} of queue {name}"
        self.before = after
        self.is_sound = True

    def run(self, call: Call[Any]) -> Any:
        return self.store.run(call)

    # Producers

    def fresh(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def jobs_of(self, queue: str) -> list[str]:
        return list(self.model.queues[queue].jobs)

    def has_room(self) -> bool:
        """Whether the model is small enough to stay quick."""
        return (
            sum(len(q.jobs) - len(q.dead) - len(q.kept) + len(q.inbox) for q in self.model.queues.values()) < MOST_JOBS
        )

    def enqueue(self, queue: str, new: list[New]) -> None:
        call = enqueueing.enqueue(queue, [stored(job) for job in new])
        if self.full:
            self.expect_refusal(call)
            return
        expected = self.model.enqueue(queue, self.now, new)
        if expected is None:
            self.expect_refusal(call)
        else:
            self.check([(done.id, _made(done)) for done in self.run(call)], expected)

    def push(self, queue: str, new: New | Reply | None) -> None:
        self.store.wire.call("LPUSH", f"jq:{{{queue}}}:inbox", envelope(new))
        self.model.queues[queue].inbox.append(new)
        self.check(None, None)

    def ingest(self, queue: str) -> None:
        call = enqueueing.ingest(queue, "nonce")
        if self.full and self.model.queues[queue].inbox:
            self.expect_refusal(call)
            return
        expected = self.model.ingest(queue, self.now)
        if expected is None:
            self.expect_refusal(call)
            return
        done = self.run(call)
        self.check((done.accepted, done.rejected, done.present, done.left), expected)

    def bound(self, queue: str, most: int | None) -> None:
        """Let no more than so many jobs of a queue wait, or any number."""
        found = self.run(upkeep.settings(queue, {"max_length": most}))
        self.model.queues[queue].most = most
        self.check(found, {} if most is None else {"max_length": most})

    def expect_refusal(self, call: Call[Any]) -> None:
        try:
            self.run(call)
        except StoreFull:
            self.check(None, None)
        else:
            raise AssertionError("a server or a queue that is full took a new job")

    # Workers and the network

    def hire(self) -> None:
        """Start a worker, as a daemon does for each one that is gone."""
        client = Client(self.fresh("w"), QUEUES)
        for queue in QUEUES:
            self.join(queue, client.id)
        self.clients.append(client)

    def replace(self, client: Client) -> None:
        self.clients.remove(client)
        self.hire()

    def join(self, queue: str, worker: str) -> None:
        self.check(self.run(leases.join(queue, worker, LEASE_MS)), self.model.join(queue, self.now, worker))

    def deliver(self, packet: Packet) -> Trip:
        """Let a trip arrive."""
        has = {queue: self._has(queue) for queue in QUEUES}
        before = {name: q.served for name, q in self.model.queues.items()}
        answer = self.run(packet.call)
        if answer.status is not Status.NOTHING:  # it has left no trace
            self.sent = [*self.sent[-MOST_PACKETS:], packet]
        expected = self._expected(packet, has)
        if packet.is_wake:
            self._believe_what_is_noted(before)
        jobs = [(job.queue, job.id, job.attempt) for job in answer.jobs]
        self.check(
            (answer.status, sorted(answer.stale), sorted(answer.lost), jobs),
            (expected.status, sorted(expected.stale), _ids(expected.lost), expected.jobs),
        )
        return answer

    def _believe_what_is_noted(self, before: Mapping[str, int | None]) -> None:
        """A wake trip that takes all there is need not note that it was there."""
        for name, queue in read_state(self.store, QUEUES).items():
            q = self.model.queues[name]
            if queue.served == before[name] and not q.ready:
                q.served = queue.served

    def _has(self, queue: str) -> Has:
        """Look what there is for a trip; whether it should be there is compared elsewhere."""
        call, key = self.store.wire.call, f"jq:{{{queue}}}:"
        first = call("ZRANGE", f"{key}scheduled", 0, 0, "WITHSCORES")
        work = call("EXISTS", f"{key}ready", f"{key}inbox") > 0
        return Has(work, bool(first), bool(first) and float(first[1]) <= self.now)

    def _expected(self, packet: Packet, has: Mapping[str, Has]) -> Answer:
        worker, trip, want = packet.worker, packet.trip, packet.want
        if packet.fast_in:
            return self.model.fast_trip(packet.fast_in, worker, trip, want, self.now, packet.reports)
        return self.model.exchange(
            worker, trip, want, self.now, packet.reports, packet.in_hand, has, packet.free, packet.suspects,
            packet.soon, packet.way, is_wake=packet.is_wake,
        )  # fmt: skip

    def forge(self, client: Client, n: int) -> list[Report]:
        """Now and then a report that cannot count: another's job, or an attempt that is over or to come."""
        queue = pick(QUEUES, n)
        known = self.jobs_of(queue)
        if not known or n // 2 % 3:
            return []
        job_id = pick(known, n // 6)
        attempt = self.model.queues[queue].jobs[job_id].attempt + pick((0, 1, -1, 2), n // 12)
        in_hand = self.model.queues[queue].active.get(client.id, {}).get(job_id)
        if in_hand or (queue, job_id) in client.running or any(r.id == job_id for r in client.pending):
            return []
        return [Report(queue, job_id, attempt, pick(list(Kind), n // 48))]

    # Daemons and people

    def end_worker(self, client: Client, queue: str, words: dict[str, str], share: float = 1) -> None:
        """End a worker; ``words``: what its daemon says of the jobs that the worker believed to run, by id."""
        board = {
            job.id: (job.attempt - (words[job.id] == "outdated"), words[job.id].replace("outdated", "crashed"))
            for (name, _), job in client.running.items()
            if name == queue and words.get(job.id, "unstarted") != "unstarted"
        }
        entries = [BoardEntry(job_id, attempt, word) for job_id, (attempt, word) in board.items()]
        answer = self.run(leases.leave(queue, client.id, "killed", entries, share=share))
        self.check(answer, self.model.leave(queue, self.now, client.id, board, share))

    def drain(self, queue: str, workers: list[str]) -> None:
        self.check(self.run(leases.drain(queue, workers)), self.model.drain(queue, workers))

    def suspicion(self, queue: str, job_id: str) -> str:
        """What the job is suspected of, "" when it is not, or is gone."""
        job = self.model.queues[queue].jobs.get(job_id)
        return job.suspect if job else ""

    def recall(self, queue: str, worker: str, jobs: list[tuple[str, int]]) -> None:
        answer = self.run(recall(queue, worker, jobs))
        self.check(answer, self.model.recall(queue, self.now, worker, jobs))

    def renew(self, queues: Sequence[str], workers: list[str], names: list[str], *, is_cut_off: bool = False) -> None:
        """As a daemon does. ``is_cut_off``: it does not get to send names that Redis does not know."""
        roster = leases.roster(names)
        digests = [roster.digest] if names else []
        answers = self.run(leases.renew(queues, LEASE_MS, workers, digests))
        self.check(answers, [self.model.renew(queue, self.now, workers, digests) for queue in queues])
        for queue in [queue for queue, answer in zip(queues, answers, strict=True) if answer.unknown]:
            if not is_cut_off:
                offered = self.run(leases.offer(queue, LEASE_MS, roster))
                self.check(offered, self.model.offer(queue, self.now, *roster))

    def renew_the_old_way(self, queue: str, names: list[str]) -> None:
        """As daemons do that know no rosters: name by name."""
        for name in names:
            self.store.wire.call("ZADD", f"jq:{{{queue}}}:offers", "GT", self.now + LEASE_MS, name)
        self.store.wire.call("HSET", f"jq:{{{queue}}}:meta", "unpark", 0)
        self.check(None, self.model.renew_the_old_way(queue, self.now, names))

    def housekeep(self, queue: str, max_dead: int = 1000, dead_ms: int = FOREVER_MS) -> None:
        answer = self.run(upkeep.housekeep(queue, LEASE_MS, max_dead, dead_ms))
        self.check(answer.reaped, self.model.housekeep(queue, self.now, max_dead, dead_ms))

    def publish(self, queue: str, entries: dict[str, dict[str, Any]]) -> None:
        answer = self.run(leases.publish(queue, LEASE_MS, entries))
        self.check(answer, self.model.publish(queue, self.now, entries))

    def pause(self, queue: str, until_ms: int | None, reason: str, *, as_span: bool) -> None:
        """Pause until so many ms from now, or, with None, until somebody resumes it."""
        until = "" if until_ms is None else f"+{until_ms}" if as_span else str(self.now + until_ms)
        moment = None if until_ms is None else self.now + until_ms
        expected = self.model.pause(queue, self.now, moment, reason)
        self.check(self.run(upkeep.pause(queue, until, "who", reason)), expected)

    def pause_the_old_way(self, queue: str) -> None:
        self.store.wire.call("HSETNX", f"jq:{{{queue}}}:meta", "paused", self.now)
        self.check(None, self.model.pause_the_old_way(queue, self.now))

    def resume(self, queue: str) -> None:
        self.check(self.run(upkeep.resume(queue)), self.model.resume(queue))

    def move(self, queue: str, target: str, ids: list[str]) -> list[str]:
        """Let jobs leave; return which did."""
        sent = self.run(moves.move(queue, target, ids))
        self.check(sent, self.model.move(queue, self.now, target, ids))
        return [job_id for job_id, answer in zip(ids, sent, strict=True) if answer is moves.Sent.MOVING]

    def read_transfers(self, queue: str, ids: list[str]) -> Bundle:
        found, expected = self.run(transfers.transfers(queue, ids)), self.model.read_transfers(queue, self.now, ids)
        seen = [(job.id, job.token, job.target, job.state, int(float(job.score)), job.has_key) for job in found.jobs]
        self.check(seen, [(each.id, *each.transfer, each.has_key) for each in expected])
        return Bundle(queue, found, expected)

    def bring(self, bundle: Bundle, target: str) -> list[transfers.Delivered]:
        answers = self.run(transfers.deliver(target, bundle.queue, bundle.found.now_ms, bundle.found.jobs))
        expected = self.model.deliver(target, self.now, bundle.queue, bundle.found.now_ms, bundle.expected)
        self.check(answers, expected)
        return expected

    def conclude(self, bundle: Bundle, answers: list[transfers.Delivered]) -> None:
        pairs = [*zip(bundle.found.jobs, answers, strict=True)]
        expected = self.model.delivered(bundle.queue, self.now, [*zip(bundle.expected, answers, strict=True)])
        self.check(self.run(transfers.delivered(bundle.queue, pairs)), expected)

    def acknowledge(self, bundle: Bundle, target: str) -> None:
        tokens = [job.token for job in bundle.found.jobs]
        expected = self.model.acknowledge(target, self.now, bundle.queue, tokens)
        self.check(self.run(transfers.acknowledge(target, bundle.queue, tokens)), expected)

    def deliver_all(self, queue: str) -> None:
        """Do what a daemon does with what it finds on its way."""
        bundle = self.read_transfers(queue, [])
        if bundle.expected:
            target = bundle.expected[0].transfer.target
            self.conclude(bundle, self.bring(bundle, target))
            self.acknowledge(bundle, target)

    def cancel(self, queue: str, ids: list[str]) -> None:
        self.check(self.run(cancel(queue, ids)), self.model.cancel(queue, self.now, ids))

    def delete(self, queue: str, ids: list[str]) -> None:
        self.check(self.run(upkeep.delete(queue, ids)), self.model.delete(queue, self.now, ids))

    def promote(self, queue: str, ids: list[str]) -> None:
        self.check(self.run(upkeep.promote(queue, ids)), self.model.promote(queue, ids))

    def expect(self, queue: str, worker: str, job_id: str, attempt: int, token: str) -> None:
        answer = self.run(expect(queue, worker, job_id, attempt, token))
        self.check(answer, self.model.expect(queue, worker, job_id, attempt, token))

    def resolve(self, queue: str, answer: Reply) -> None:
        error = None if answer.kind == "result" else "no"
        word = self.run(resolve(queue, answer.id, answer.token, result=b'{"n":[]}', error=error))
        self.check(word, self.model.resolve(queue, self.now, answer))

    def ask_for_cancels(self, queue: str, workers: list[str]) -> None:
        inbox, jobs = self.run(cancels(queue, workers))
        self.check((inbox, {" ".join(map(str, mark)) for mark in jobs}), self.model.told(queue, workers))

    def retry(self, queue: str, ids: list[str]) -> None:
        self.check(self.run(upkeep.retry(queue, ids)), self.model.retry(queue, ids))


def _made(done: Enqueued) -> str:
    return "created" if done.created else "replaced" if done.replaced else "there"


def _ids(found: set[tuple[str, str]]) -> list[str]:
    return sorted(job_id for _, job_id in found)
