"""What the scripts should do, in plain Python.

One `Model` is the whole system. Its operations take the time and return what the call should answer; `view`
is what the keys should show. It knows nothing of connections, lost packets or what workers believe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jqjobs.jobs.records import Kind, Status
from jqjobs.store.calls.moves import Sent
from jqjobs.store.calls.transfers import Delivered
from jqjobs.store.calls.trips import Way
from property.arrivals import add, as_registered
from property.dead_worker_model import end_worker
from property.due_and_reaped_model import pass_deadlines, promote, reap
from property.job_model import New, Reply, Report
from property.length_model import fitting, is_too_much
from property.limits_model import leave_held, pass_on
from property.move_model import Parcel, acknowledge, conclude, deliver, move, read
from property.parking_model import end_overdue_misfits, unpark
from property.pause_model import end_pause, pause, pause_the_old_way, resume
from property.queue_model import FAST_FOR_MS, LEASE_MS, Queue
from property.state import State
from property.take_model import take, take_plain, take_suspects
from property.waiting_model import expect, resolve
from property.way_model import Has, WayThere, way_there


@dataclass
class Answer:
    """What an exchange should answer."""

    status: Status
    stale: list[str] = field(default_factory=list)
    lost: set[tuple[str, str]] = field(default_factory=set)
    jobs: list[tuple[str, str, int]] = field(default_factory=list)


class Model:
    """Some queues that the same workers serve, in this order."""

    def __init__(self, queues: Sequence[str]) -> None:
        self.queues = {name: Queue() for name in queues}

    def view(self) -> State:
        return {name: queue.view() for name, queue in self.queues.items()}

    def enqueue(self, queue: str, now: int, jobs: Sequence[New]) -> list[tuple[str, str]] | None:
        """Return None where the queue takes none of them."""
        q = self.queues[queue]
        if is_too_much(q, jobs):
            return None
        first = q.seq + 1
        q.seq += len(jobs)
        return [add(q, now, new, first + n) for n, new in enumerate(jobs)]

    def ingest(self, queue: str, now: int) -> tuple[int, int, int, int] | None:
        """Return None where the queue does not even take the first."""
        q = self.queues[queue]
        fit = fitting(q, q.inbox)
        if q.inbox and not fit:
            return None
        raw, q.inbox = q.inbox[:fit], q.inbox[fit:]
        first = q.seq + 1
        q.seq += len(raw)
        made = [self._take_in(q, now, item, first + n) for n, item in enumerate(raw)]
        present, rejected = made.count("there"), made.count("rejected")
        q.rejected += rejected
        return (len(made) - present - rejected, rejected, present, len(q.inbox))

    def _take_in(self, q: Queue, now: int, item: New | Reply | None, sequence: int) -> str:
        if isinstance(item, New):
            return add(q, now, as_registered(q, item), sequence)[1]
        taken = item is not None and resolve(q, now, item, is_trusted=False) in ("resolved", "early")
        return "taken" if taken else "rejected"

    def expect(self, queue: str, worker: str, job_id: str, attempt: int, token: str) -> bool:
        return expect(self.queues[queue], worker, job_id, attempt, token)

    def resolve(self, queue: str, now: int, answer: Reply) -> str:
        return resolve(self.queues[queue], now, answer, is_trusted=True)

    def join(self, queue: str, now: int, worker: str) -> bool:
        q = self.queues[queue]
        if worker in q.seen and worker not in q.leases:
            return False
        q.seen.setdefault(worker, 0)
        q.leases[worker] = now + LEASE_MS
        return True

    def exchange(
        self, worker: str, trip: int, want: int, now: int, reports: Sequence[Report],
        in_hand: Sequence[tuple[str, str, int]] | None, has: Mapping[str, Has], free: int = 0,
        suspects: tuple[int, int] | None = None, soon: int = 0, way: Way = Way.ALL, *, is_wake: bool = False,
    ) -> Answer:  # fmt: skip
        if is_wake and not any(q.ready or q.inbox or q.suspects for q in self.queues.values()):
            return Answer(Status.NOTHING)
        has_suspects = suspects is not None and any(q.suspects for q in self.queues.values())
        there = way_there(way, [*self.queues], {r.queue for r in reports}, has, has_suspects=has_suspects)
        for name in self.queues:
            if name in there.due and (refusal := self._refusal(name, worker, trip)) is not None:
                return Answer(refusal)
        answer = Answer(Status.OK)
        for name, q in self.queues.items():
            if name not in there.due:
                continue
            q.seen[worker] = trip
            mine = sorted((r for r in reports if r.queue == name), key=lambda r: r.kind is not Kind.DONE)
            answer.stale += [r.id for r in mine if not q.settle(now, worker, r)]
            if in_hand is not None:
                answer.lost |= {(name, i) for i in q.resync(now, worker, [(i, a) for n, i, a in in_hand if n == name])}
        met = self._move(worker, trip, want, (free, soon), suspects, now, answer, there, is_wake=is_wake)
        if Status.FENCED in met:
            return Answer(Status.FENCED)
        return Answer(Status.LATE) if Status.LATE in met and not answer.jobs else answer

    def _refusal(self, queue: str, worker: str, trip: int) -> Status | None:
        q = self.queues[queue]
        if worker not in q.leases:
            return Status.FENCED
        return Status.LATE if q.seen[worker] >= trip else None

    def _move(
        self, worker: str, trip: int, want: int, begin_now: tuple[int, int], suspects: tuple[int, int] | None, now: int,
        answer: Answer, there: WayThere, *, is_wake: bool,
    ) -> set[Status]:  # fmt: skip
        """Serve the queues; return why some refused it that it came to on its way."""
        free, soon = begin_now
        most, stop = free or soon, False
        if suspects is not None and want > 0 and there.way is Way.ALL:
            answer.jobs = self._take_suspects(worker, trip, min(want, suspects[0]), suspects[1], now)
            alone = any(self.queues[name].jobs[job_id].suspect[0] in "0-" for name, job_id, _ in answer.jobs)
            stop = alone or (bool(answer.jobs) and free <= 0)
            want, most = want - len(answer.jobs), most - len(answer.jobs)
        met, asked, visited = set[Status](), want, set[str]()
        for is_again in (False, True):
            if is_again and (there.way is not Way.ENOUGH or asked <= 0 or answer.jobs):
                break
            there = replace(there, way=Way.FILLED) if is_again else there
            for name, q in self.queues.items():
                if name in visited or there.passes_by(name, is_enough=want <= 0 or stop):
                    continue
                if name not in there.due and (refusal := self._refusal(name, worker, trip)) is not None:
                    met.add(refusal)
                    continue
                visited.add(name)
                q.seen[worker] = trip
                promote(q, now, 100)
                reap(q, now, worker, 1, is_wake=is_wake)
                if want > 0 and not stop and q.paused is None:
                    got, stop = take(q, now, worker, want, alone=not self.in_hand(worker), most=most)
                    want, most = want - len(got), most - len(got)
                    answer.jobs += [(name, job_id, attempt) for job_id, attempt in got]
                q.note_served(now)
        return met

    def fast_trip(self, queue: str, worker: str, trip: int, want: int, now: int, done: Sequence[Report]) -> Answer:
        q = self.queues[queue]
        if worker not in q.leases:
            return Answer(Status.FENCED)
        if q.seen[worker] >= trip:
            return Answer(Status.LATE)
        q.seen[worker] = trip
        if q.served is None or abs(now - q.served) >= FAST_FOR_MS:
            return Answer(Status.FULL)
        stale = [report.id for report in done if not q.settle(now, worker, report)]
        return Answer(Status.OK, stale, jobs=[(queue, job_id, 1) for job_id in take_plain(q, now, worker, want)])

    def in_hand(self, worker: str) -> list[tuple[str, str]]:
        return [(name, job_id) for name, q in self.queues.items() for job_id in q.active.get(worker, {})]

    def _take_suspects(self, worker: str, trip: int, most: int, scope: int, now: int) -> list[tuple[str, str, int]]:
        """Take suspects of the first queue in turn that has some to give."""
        names = list(self.queues)
        for n in range(len(names)):
            name = names[(trip + n + 1) % len(names)]
            q = self.queues[name]
            if q.paused is None and (got := take_suspects(q, now, worker, most, scope)):
                return [(name, job_id, attempt) for job_id, attempt in got]
        return []

    def leave(self, queue: str, now: int, worker: str, board: dict[str, tuple[int, str]], share: float) -> int:
        q = self.queues[queue]
        return end_worker(q, now, worker, board, share) if worker in q.leases else -1

    def drain(self, queue: str, workers: Sequence[str]) -> int:
        q = self.queues[queue]
        here = [worker for worker in workers if worker in q.leases]
        q.draining |= set(here)
        return len(here)

    def recall(self, queue: str, now: int, worker: str, jobs: Sequence[tuple[str, int]]) -> int:
        return self.queues[queue].recall(now, worker, jobs)

    def renew(
        self, queue: str, now: int, workers: Sequence[str], digests: Sequence[str]
    ) -> tuple[list[bool], set[str]]:
        q = self.queues[queue]
        for worker in workers:
            if worker in q.leases:
                q.leases[worker] = now + LEASE_MS
        known = [digest for digest in digests if digest in q.rosters]
        for digest in known:
            self._renew_roster(q, now, digest)
        return [worker in q.leases for worker in workers], {*digests} - {*known}

    def renew_the_old_way(self, queue: str, now: int, names: Sequence[str]) -> None:
        q = self.queues[queue]
        q.offers |= {name: max(q.offers.get(name, 0), now + LEASE_MS) for name in names}
        q.lap = True

    def offer(self, queue: str, now: int, digest: str, names: Sequence[str]) -> int:
        q = self.queues[queue]
        q.rosters[digest] = tuple(names)
        self._renew_roster(q, now, digest)
        return len(names)

    def _renew_roster(self, q: Queue, now: int, digest: str) -> None:
        q.lap = q.lap or q.offered_until.get(digest, 0) <= now
        q.offered_until[digest] = max(q.offered_until.get(digest, 0), now + LEASE_MS)

    def publish(self, queue: str, now: int, entries: dict[str, dict[str, Any]]) -> int:
        q = self.queues[queue]
        q.catalog |= entries
        offered = [f"{name} {entry['signature']}" for name, entry in entries.items() if "signature" in entry]
        q.offers |= dict.fromkeys((*entries, *offered), now + LEASE_MS)
        q.lap = True
        return len(q.catalog)

    def housekeep(self, queue: str, now: int, max_dead: int, dead_ms: int) -> int:
        q = self.queues[queue]
        promote(q, now, 100)
        end_pause(q, now)
        reaped = reap(q, now, "", 10)
        pass_deadlines(q, now)
        unpark(q, now)
        end_overdue_misfits(q, now)
        for job_id in [job_id for job_id, until in q.kept.items() if until <= now]:
            del q.kept[job_id]
            q.forget(job_id)
        oldest_first = sorted((at, job_id) for job_id, at in q.dead.items())
        for n, (at, job_id) in enumerate(oldest_first):
            if at <= now - dead_ms or len(oldest_first) - n > max_dead:
                q.leave_dead(job_id)
                q.forget(job_id)
                q.trimmed += 1
        if not q.ready:
            q.turns.clear()
        q.offers = {name: until for name, until in q.offers.items() if until > now - LEASE_MS}
        q.offered_until = {digest: until for digest, until in q.offered_until.items() if until > now - LEASE_MS}
        q.arrived = {token: until for token, until in q.arrived.items() if until > now}
        return reaped

    def pause(self, queue: str, now: int, until: int | None, reason: str) -> bool:
        return pause(self.queues[queue], now, until, reason=reason)

    def pause_the_old_way(self, queue: str, now: int) -> None:
        pause_the_old_way(self.queues[queue], now)

    def resume(self, queue: str) -> bool:
        return resume(self.queues[queue])

    def move(self, queue: str, now: int, target: str, ids: Sequence[str]) -> list[Sent]:
        return [move(self.queues[queue], now, target, job_id) for job_id in ids]

    def read_transfers(self, queue: str, now: int, ids: Sequence[str]) -> list[Parcel]:
        return read(self.queues[queue], now, ids)

    def deliver(self, target: str, now: int, source: str, read_ms: int, parcels: Sequence[Parcel]) -> list[Delivered]:
        return deliver(self.queues[target], now, source, read_ms, parcels)

    def delivered(self, queue: str, now: int, said: Sequence[tuple[Parcel, Delivered]]) -> int:
        q = self.queues[queue]
        return sum(
            conclude(q, now, parcel.id, parcel.transfer.token, is_there=answer is Delivered.DELIVERED)
            for parcel, answer in said
        )

    def acknowledge(self, target: str, now: int, source: str, tokens: Sequence[str]) -> int:
        return acknowledge(self.queues[target], now, source, tokens)

    def cancel(self, queue: str, now: int, ids: Sequence[str]) -> list[str]:
        return [self._cancel(self.queues[queue], now, job_id) for job_id in ids]

    def _cancel(self, q: Queue, now: int, job_id: str) -> str:
        """Cancel a job, as a person does; return what came of it."""
        if job_id not in q.jobs:
            return "unknown"
        if job_id in q.dead or job_id in q.kept:
            return "finished"
        if job_id in q.transfers:
            return "moving"
        for worker, jobs in q.active.items():
            if job_id in jobs:
                q.jobs[job_id].cancel, q.served = True, None
                q.cancels.add(f"{worker} {job_id} {jobs[job_id][1]}")
                return "cancelling"
        self._withdraw(q, now, job_id)
        q.end_cancelled(now, job_id, has_run=False)
        return "cancelled"

    def _withdraw(self, q: Queue, now: int, job_id: str) -> None:
        """Take a job out of the set that it waits in."""
        leave_held(q, job_id)
        if q.ready.pop(job_id, None) is not None:
            pass_on(q, now, job_id, q.jobs[job_id].limits)
        for waiting in (q.scheduled, q.waiting, q.parked, q.suspects):
            waiting.pop(job_id, None)

    def delete(self, queue: str, now: int, ids: Sequence[str]) -> list[int]:
        return [self._delete(self.queues[queue], now, job_id) for job_id in ids]

    def _delete(self, q: Queue, now: int, job_id: str) -> int:
        """Delete a job, as a person does; return what the script answers."""
        if job_id not in q.jobs:
            return -1
        if job_id in q.transfers or any(job_id in jobs for jobs in q.active.values()):
            return 0
        self._withdraw(q, now, job_id)
        q.kept.pop(job_id, None)
        if job_id in q.dead:
            q.leave_dead(job_id)
        q.forget(job_id)
        return 1

    def promote(self, queue: str, ids: Sequence[str]) -> list[bool]:
        return [self._promote(self.queues[queue], job_id) for job_id in ids]

    def _promote(self, q: Queue, job_id: str) -> bool:
        """Let a scheduled job be due now, as a person does; whether it was scheduled."""
        if q.scheduled.pop(job_id, None) is None:
            return False
        q.give_back(job_id, q.jobs[job_id].rank or q.fresh_rank(job_id))
        q.jobs[job_id].rank = 0
        return True

    def told(self, queue: str, workers: Sequence[str]) -> tuple[bool, set[str]]:
        q = self.queues[queue]
        return bool(q.inbox), {mark for mark in q.cancels if mark.split()[0] in workers}

    def retry(self, queue: str, ids: Sequence[str]) -> list[int]:
        q = self.queues[queue]
        return [self._retry(q, job_id) for job_id in ids]

    def _retry(self, q: Queue, job_id: str) -> int:
        if job_id not in q.dead:
            return 0
        job = q.jobs[job_id]
        if q.unique.get(job.key, job_id) in q.jobs.keys() - {job_id}:
            return -1
        if job.key:
            q.unique[job.key] = job_id
        q.leave_dead(job_id)
        job.counters["lost"] = job.counters["hung"] = job.counters["snoozes"] = 0
        job.forgiven = dict(job.counters)
        job.expires = job.refused = None
        job.rank = 0
        q.ready[job_id] = q.fresh_rank(job_id)
        return 1
