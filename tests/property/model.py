"""What the scripts should do, in plain Python.

One `Model` is the whole system. Its operations take the time and return what the call should answer; `view`
is what the keys should show. It knows nothing of connections, lost packets or what workers believe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jqjobs.job import Kind, Status
from property.job_model import New, Report
from property.queue_model import LEASE_MS, Queue
from property.state import State


@dataclass
class Answer:
    """What an exchange should answer."""

    status: Status
    stale: set[tuple[str, str]] = field(default_factory=set)
    lost: set[tuple[str, str]] = field(default_factory=set)
    jobs: list[tuple[str, str, int]] = field(default_factory=list)


class Model:
    """Some queues that the same workers serve, in this order."""

    def __init__(self, queues: Sequence[str]) -> None:
        self.queues = {name: Queue() for name in queues}

    def view(self) -> State:
        return {name: queue.view() for name, queue in self.queues.items()}

    def enqueue(self, queue: str, now: int, jobs: Sequence[New]) -> list[tuple[str, bool]]:
        q = self.queues[queue]
        first = q.seq + 1
        q.seq += len(jobs)
        return [q.add(now, new, first + n) for n, new in enumerate(jobs)]

    def ingest(self, queue: str, now: int) -> tuple[int, int, int, int]:
        q = self.queues[queue]
        raw, q.inbox = q.inbox, []
        first = q.seq + 1
        q.seq += len(raw)
        created = [q.add(now, new, first + n)[1] for n, new in enumerate(raw) if new]
        q.rejected += raw.count(None)
        return (sum(created), raw.count(None), len(created) - sum(created), 0)

    def join(self, queue: str, now: int, worker: str) -> bool:
        q = self.queues[queue]
        if worker in q.seen and worker not in q.leases:
            return False
        q.seen.setdefault(worker, 0)
        q.leases[worker] = now + LEASE_MS
        return True

    def exchange(
        self, worker: str, trip: int, want: int, now: int, reports: Sequence[Report],
        held: Sequence[tuple[str, str, int]] | None,
    ) -> Answer:  # fmt: skip
        for q in self.queues.values():
            if worker not in q.leases:
                return Answer(Status.FENCED)
            if q.seen[worker] >= trip:
                return Answer(Status.LATE)
        answer = Answer(Status.OK)
        for name, q in self.queues.items():
            q.seen[worker] = trip
            mine = sorted((r for r in reports if r.queue == name), key=lambda r: r.kind is not Kind.DONE)
            answer.stale |= {(name, r.id) for r in mine if not q.settle(now, worker, r)}
            if held is not None:
                answer.lost |= {(name, i) for i in q.resync(worker, [(i, a) for n, i, a in held if n == name])}
        self._move(worker, want, now, answer)
        return answer

    def _move(self, worker: str, want: int, now: int, answer: Answer) -> None:
        stop = self.holds_suspect(worker)
        for name, q in self.queues.items():
            q.promote(now, 100)
            q.reap(now, worker, 1)
            if want > 0 and not stop and not q.paused:
                got, stop = q.take(now, worker, want, alone=not self.holds(worker))
                want -= len(got)
                answer.jobs += [(name, job_id, attempt) for job_id, attempt in got]

    def holds(self, worker: str) -> list[tuple[str, str]]:
        return [(name, job_id) for name, q in self.queues.items() for job_id in q.active.get(worker, {})]

    def holds_suspect(self, worker: str) -> bool:
        return any(self.queues[name].jobs[job_id].suspect for name, job_id in self.holds(worker))

    def leave(self, queue: str, now: int, worker: str, mode: str, board: dict[str, tuple[int, str]]) -> int:
        q = self.queues[queue]
        return q.end_worker(now, worker, mode, board) if worker in q.leases else -1

    def renew(self, queue: str, now: int, workers: Sequence[str], names: Sequence[str]) -> list[int]:
        q = self.queues[queue]
        for worker in workers:
            if worker in q.leases:
                q.leases[worker] = now + LEASE_MS
        for name in names:
            q.lap = q.lap or q.offers.get(name, 0) <= now
            q.offers[name] = max(q.offers.get(name, 0), now + LEASE_MS)
        return [len(q.active.get(worker, {})) if worker in q.leases else -1 for worker in workers]

    def publish(self, queue: str, now: int, entries: dict[str, dict[str, int]]) -> int:
        q = self.queues[queue]
        q.catalog |= entries
        q.offers |= dict.fromkeys(entries, now + LEASE_MS)
        q.lap = True
        return len(q.catalog)

    def housekeep(self, queue: str, now: int, max_dead: int, dead_ms: int) -> int:
        q = self.queues[queue]
        q.promote(now, 100)
        reaped = q.reap(now, "", 10)
        q.unpark(now)
        for job_id in [job_id for job_id, until in q.kept.items() if until <= now]:
            del q.kept[job_id]
            q.forget(job_id)
        oldest_first = sorted((at, job_id) for job_id, at in q.dead.items())
        for n, (at, job_id) in enumerate(oldest_first):
            if at <= now - dead_ms or len(oldest_first) - n > max_dead:
                del q.dead[job_id]
                q.forget(job_id)
        q.offers = {name: until for name, until in q.offers.items() if until > now - LEASE_MS}
        return reaped

    def pause(self, queue: str, *, resume: bool) -> bool:
        changed = self.queues[queue].paused == resume
        self.queues[queue].paused = not resume
        return changed

    def retry(self, queue: str, ids: Sequence[str]) -> list[int]:
        q = self.queues[queue]
        return [self._retry(q, job_id) for job_id in ids]

    def _retry(self, q: Queue, job_id: str) -> int:
        if job_id not in q.dead:
            return 0
        job = q.jobs[job_id]
        if q.unique.get(job.key) in q.jobs:
            return -1
        if job.key:
            q.unique[job.key] = job_id
        del q.dead[job_id]
        job.forgiven = dict(job.counters)
        job.expires = None
        q.ready[job_id] = q.fresh_rank(job_id)
        return 1
