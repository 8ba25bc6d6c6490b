"""One queue as it should be: its sets, its workers, and what becomes of a job. Plain Python, slow and obvious.

`model.Model` drives it; `view` is what the keys should show.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from jqjobs.job import Kind
from property.job_model import Job, New, Report
from property.state import QueueState

BAND = 2**40
LEASE_MS = 30_000
DEFAULTS = {"max_attempts": 3, "max_crashes": 3}
MAX_INTERRUPTS, UNKNOWN_MS = 20, 500


class Queue:
    """One queue: its sets, its workers, and the fates of its jobs."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.ready: dict[str, int] = {}
        self.scheduled: dict[str, int] = {}
        self.parked: dict[str, int] = {}
        self.dead: dict[str, int] = {}
        self.kept: dict[str, int] = {}
        self.leases: dict[str, int] = {}
        self.active: dict[str, dict[str, tuple[int, int]]] = {}
        self.unique: dict[str, str] = {}
        self.catalog: dict[str, dict[str, int]] = {}
        self.offers: dict[str, int] = {}
        self.inbox: list[New | None] = []
        self.seen: dict[str, int] = {}
        self.seq = self.done = self.failed = self.rejected = 0
        self.paused = self.lap = False
        self.reaped: float = float("-inf")

    def in_order(self) -> list[str]:
        return sorted(self.ready, key=lambda job_id: self.ready[job_id])

    def add(self, now: int, new: New, sequence: int) -> tuple[str, bool]:
        if new.id in self.jobs:
            return new.id, False
        if self.unique.get(new.key) in self.jobs:
            return self.unique[new.key], False
        expires = None if new.expires is None else now + new.expires
        self.jobs[new.id] = Job(new.name, new.priority, new.key, new.options, expires)
        if new.key:
            self.unique[new.key] = new.id
        if new.delay > 0:
            self.scheduled[new.id] = now + new.delay
        else:
            self.ready[new.id] = -new.priority * BAND + sequence
        return new.id, True

    def fresh_rank(self, job_id: str) -> int:
        self.seq += 1
        return -self.jobs[job_id].priority * BAND + self.seq

    def option(self, job: Job, which: str) -> int | None:
        return job.options.get(which) or self.catalog.get(job.name, {}).get(which) or DEFAULTS.get(which)

    # Fates: the job has just left an active set (or is forgotten from another one).

    def free_key(self, job_id: str) -> None:
        if self.unique.get(self.jobs[job_id].key) == job_id:
            del self.unique[self.jobs[job_id].key]

    def forget(self, job_id: str) -> None:
        self.free_key(job_id)
        del self.jobs[job_id]

    def die(self, now: int, job_id: str) -> None:
        self.free_key(job_id)
        self.jobs[job_id].suspect = False
        self.dead[job_id] = now

    def succeed(self, now: int, job_id: str, keep: int | None) -> None:
        self.done += 1
        if not keep:
            self.forget(job_id)
            return
        self.free_key(job_id)
        self.jobs[job_id].counters["executions"] += 1
        self.kept[job_id] = now + keep

    def fail(self, now: int, job_id: str, delay: int) -> None:
        job = self.jobs[job_id]
        job.remember()
        job.suspect = False
        self.failed += 1
        if job.count("failures") >= (self.option(job, "max_attempts") or 0):
            self.die(now, job_id)
        elif delay > 0:
            self.scheduled[job_id] = now + delay
        else:
            self.ready[job_id] = self.fresh_rank(job_id)

    def crash(self, now: int, job_id: str, rank: int) -> None:
        job = self.jobs[job_id]
        job.remember()
        self.failed += 1
        if job.count("crashes") >= (self.option(job, "max_crashes") or 0):
            self.die(now, job_id)
        else:
            self.ready[job_id] = rank

    def make_suspect(self, now: int, job_id: str, rank: int) -> None:
        job = self.jobs[job_id]
        if job.suspect:
            self.crash(now, job_id, rank)
            return
        job.suspect = True
        job.counters["executions"] += 1
        job.remember()
        self.ready[job_id] = rank

    def interrupt(self, now: int, job_id: str, rank: int) -> None:
        job = self.jobs[job_id]
        job.remember()
        if job.count("interrupts") >= MAX_INTERRUPTS:
            self.die(now, job_id)
        else:
            self.ready[job_id] = rank

    def discard(self, now: int, job_id: str) -> None:
        self.jobs[job_id].remember()
        self.jobs[job_id].count("failures")
        self.failed += 1
        self.die(now, job_id)

    def unknown(self, now: int, job_id: str, rank: int) -> None:
        job = self.jobs[job_id]
        job.rank = rank
        if self.offers.get(job.name, 0) > now:
            self.scheduled[job_id] = now + UNKNOWN_MS
        else:
            self.parked[job_id] = now

    def defer(self, now: int, job_id: str, rank: int, delay: int) -> None:
        self.jobs[job_id].rank = rank
        self.scheduled[job_id] = now + delay

    def oversized(self, now: int, job_id: str) -> None:
        self.jobs[job_id].remember()
        self.failed += 1
        self.die(now, job_id)

    def malformed(self, job_id: str) -> None:
        self.rejected += 1
        self.forget(job_id)

    # What workers do

    def leave_active(self, worker: str, job_id: str) -> int:
        """Take a job out of a worker's hands; return its rank. Only now its attempt is written down."""
        rank, attempt = self.active[worker].pop(job_id)
        self.jobs[job_id].attempt = attempt
        return rank

    def settle(self, now: int, worker: str, report: Report) -> bool:
        """Record an outcome; False when it is stale."""
        job_id, kind = report.id, report.kind
        held = self.active.get(worker, {}).get(job_id)
        if held is None or held[1] != report.attempt:
            return False
        rank = self.leave_active(worker, job_id)
        if kind in (Kind.DONE, Kind.KEPT):
            self.succeed(now, job_id, report.number if kind is Kind.KEPT else None)
        elif kind in (Kind.FAILED, Kind.HUNG):
            self.fail(now, job_id, report.number)
        elif kind is Kind.DISCARDED:
            self.discard(now, job_id)
        elif kind is Kind.INTERRUPTED:
            self.interrupt(now, job_id, rank)
        elif kind is Kind.RELEASED:
            self.ready[job_id] = rank
        elif kind is Kind.UNKNOWN:
            self.unknown(now, job_id, rank)
        elif kind is Kind.DEFERRED:
            self.defer(now, job_id, rank, report.number)
        elif kind is Kind.OVERSIZED:
            self.oversized(now, job_id)
        else:
            self.malformed(job_id)
        return True

    def resync(self, worker: str, held: Sequence[tuple[str, int]]) -> set[str]:
        """Give back what a worker does not name; return what it names and does not hold."""
        mine = self.active.get(worker, {})
        for job_id, (_, attempt) in list(mine.items()):
            if (job_id, attempt) not in held:
                self.ready[job_id] = self.leave_active(worker, job_id)
        return {job_id for job_id, attempt in held if mine.get(job_id, (0, None))[1] != attempt}

    def end_worker(self, now: int, worker: str, mode: str, board: dict[str, tuple[int, str]] | None) -> int:
        del self.leases[worker]
        held = self.active.pop(worker, {})
        for job_id, (rank, attempt) in sorted(held.items(), key=lambda item: item[1][0]):
            self.jobs[job_id].attempt = attempt
            on_board = (board or {}).get(job_id, (None, ""))
            state = on_board[1] if on_board[0] == attempt else "unstarted"
            if board is None:
                self.make_suspect(now, job_id, rank)
            else:
                self._fate(now, job_id, rank, state, mode)
        return len(held)

    def _fate(self, now: int, job_id: str, rank: int, state: str, mode: str) -> None:
        if state == "succeeded":
            keep = self.option(self.jobs[job_id], "keep") or self.option(self.jobs[job_id], "keep_ms")
            self.succeed(now, job_id, keep)
        elif state == "failed" or (state == "running" and mode == "hung"):
            self.fail(now, job_id, 0)
        elif state == "running":
            {"crash": self.crash, "suspect": self.make_suspect, "interrupt": self.interrupt}[mode](now, job_id, rank)
        else:
            self.ready[job_id] = rank

    # What time does

    def promote(self, now: int, most: int) -> int:
        due = sorted((at, job_id) for job_id, at in self.scheduled.items() if at <= now)[:most]
        for _, job_id in due:
            del self.scheduled[job_id]
            self.ready[job_id] = self.jobs[job_id].rank or self.fresh_rank(job_id)
            self.jobs[job_id].rank = 0
        return len(due)

    def reap(self, now: int, me: str, most: int) -> int:
        gap = now - self.reaped
        if 0 <= gap < LEASE_MS / 30:
            return 0
        if abs(gap) > LEASE_MS / 3:
            self.reaped = now
            self._amnesty(now, went_back=gap < 0)
            return 0
        self.reaped = max(self.reaped, now)
        over = sorted((until, worker) for worker, until in self.leases.items() if until <= now)[: most + 2]
        others = [worker for _, worker in over if worker != me]
        for worker in others[:most]:
            self.end_worker(now, worker, "suspect", None)
        if len(others) > most:
            self.reaped = now - ceil(LEASE_MS / 30)
        return min(most, len(others))

    def _amnesty(self, now: int, *, went_back: bool) -> None:
        if went_back:
            self.offers.clear()
        for worker, until in self.leases.items():
            self.leases[worker] = now + LEASE_MS if went_back else max(until, now + LEASE_MS)

    def unpark(self, now: int) -> None:
        if not self.lap:
            return
        self.lap = False
        for job_id in list(self.parked):
            if self.offers.get(self.jobs[job_id].name, 0) > now:
                del self.parked[job_id]
                self.ready[job_id] = self.jobs[job_id].rank
                self.jobs[job_id].rank = 0

    def take(self, now: int, worker: str, want: int, *, alone: bool) -> tuple[list[tuple[str, int]], bool]:
        """Return (id, attempt) of what is taken, and whether a suspect ends the whole take."""
        got: list[tuple[str, int]] = []
        for job_id in self.in_order()[:want]:
            job = self.jobs[job_id]
            if job.expires is not None and job.expires <= now:
                del self.ready[job_id]
                self.die(now, job_id)
                continue
            if job.suspect and (got or not alone):
                return got, True
            self.active.setdefault(worker, {})[job_id] = (self.ready.pop(job_id), job.attempt + 1)
            got.append((job_id, job.attempt + 1))
            if job.suspect:
                return got, True
        return got, False

    def view(self) -> QueueState:
        """What the keys should show."""
        sets = {
            "ready": self.ready, "scheduled": self.scheduled, "parked": self.parked, "dead": self.dead,
            "kept": self.kept,
        }  # fmt: skip
        return QueueState(
            sets=sets, leases=self.leases, active={worker: held for worker, held in self.active.items() if held},
            jobs={job_id: job.shown() for job_id, job in self.jobs.items()}, unique=self.unique,
            meta=(self.seq, self.done, self.failed), paused=self.paused, inbox=len(self.inbox),
            rejected=self.rejected,
        )  # fmt: skip
