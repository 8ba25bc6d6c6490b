"""One queue as it should be: its sets, its workers, and what becomes of a job. Plain Python, slow and obvious.

`model.Model` drives it; `view` is what the keys should show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

from jqjobs.jobs.records import Kind
from property import limits_model as limits
from property import parking_model as parking
from property.job_model import UNCLEANED, UNRUN, Job, New, Reply, Report
from property.state import QueueState
from property.turns_model import turn

#: Of dead jobs: how many, when the first and the last died, the last one or "-", name.
ErrorGroup = tuple[int, int, int, str, str]

LEASE_MS = 30_000
DEFAULTS = {"max_attempts": 10, "max_crashes": 3}
BACKOFF_MS = 700
NOTE_SERVED_EVERY_MS, FAST_FOR_MS = 10, 20
MOST_HUNG, MOST_LOST = 3, 20
CRASH_MS, LOST_MS, FAILED_MS, MOST_MS = 5000, 5000, 10_000, 3_600_000


def growing(first: int, nth: int, share: float) -> int:
    return ceil(min(MOST_MS, first * 3 ** min(20, max(0, nth - 1))) * share)


class Transfer(NamedTuple):
    """Where a job goes, and where it was: a set and its score there."""

    token: str
    target: str
    state: str
    score: int


def in_order(active: Mapping[str, tuple[int, int]]) -> list[tuple[str, tuple[int, int]]]:
    """Return what a worker has in hand, (rank, attempt) by id, as its active set has it."""
    return sorted(active.items(), key=lambda item: (item[1][0], item[0]))


class Queue:
    """One queue: its sets, its workers, and what becomes of its jobs."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.ready: dict[str, int] = {}
        self.scheduled: dict[str, int] = {}
        self.waiting: dict[str, int] = {}
        self.parked: dict[str, int] = {}
        self.suspects: dict[str, int] = {}
        self.dead: dict[str, int] = {}
        self.errors: dict[str, ErrorGroup] = {}
        self.kept: dict[str, int] = {}
        #: on their way to another queue → since when; and more of them
        self.transfers: dict[str, int] = {}
        self.moving: dict[str, Transfer] = {}
        #: gone to another queue → which
        self.moved: dict[str, str] = {}
        #: "queue token" of what came from another queue → how long that is remembered
        self.arrived: dict[str, int] = {}
        self.leases: dict[str, int] = {}
        self.active: dict[str, dict[str, tuple[int, int]]] = {}
        self.unique: dict[str, str] = {}
        self.cancels: set[str] = set()
        self.draining: set[str] = set()
        self.gates: dict[str, limits.Gate] = {}
        self.starts: dict[str, list[int]] = {}
        self.places: dict[str, set[str]] = {}
        self.catalog: dict[str, dict[str, Any]] = {}
        self.offers: dict[str, int] = {}
        #: names by digest; digest → until when they are offered
        self.rosters: dict[str, tuple[str, ...]] = {}
        self.offered_until: dict[str, int] = {}
        self.inbox: list[New | Reply | None] = []
        self.seen: dict[str, int] = {}
        self.seq = self.done = self.failed = self.trimmed = self.rejected = 0
        self.lap = False
        #: when a whole trip was made, and noted; None where a fast one will not do
        self.served: int | None = None
        #: so many of its jobs may wait; None: any number
        self.most: int | None = None
        #: since when; when that is to end, and when its timer goes off
        self.paused: int | None = None
        self.pause_ends: int | None = None
        self.pause_timer: int | None = None
        self.reaped: float = float("-inf")
        #: priorities that have groups → the highest rank taken; "priority group" → the last one that is ahead of it
        self.turns: dict[str, int] = {}

    def held_for(self, name: str) -> dict[str, int]:
        return self.gates[name].held if name in self.gates else {}

    def in_order(self) -> list[str]:
        return sorted(self.ready, key=lambda job_id: (self.ready[job_id], job_id))

    def on_offer(self, now: int) -> set[str]:
        single = {name for name, until in self.offers.items() if until > now}
        return single.union(*(self.rosters[digest] for digest, until in self.offered_until.items() if until > now))

    def misfits(self) -> dict[str, int]:
        """Those parked for their arguments, and until when."""
        return {job_id: refused[0] for job_id in self.parked if (refused := self.jobs[job_id].refused)}

    def fresh_rank(self, job_id: str) -> int:
        self.seq += 1
        return turn(self, self.jobs[job_id].priority, self.jobs[job_id].fair, self.seq)

    def option(self, job: Job, which: str) -> int | None:
        return job.options.get(which) or self.catalog.get(job.name, {}).get(which) or DEFAULTS.get(which)

    # Outcomes: the job has just left an active set (or is forgotten from another one).

    def free_key(self, job_id: str) -> None:
        if self.unique.get(self.jobs[job_id].key) == job_id:
            del self.unique[self.jobs[job_id].key]

    def give_back(self, job_id: str, rank: int) -> None:
        if self.jobs[job_id].suspect:
            self.suspects[job_id], self.served = rank, None
        else:
            self.ready[job_id] = rank

    def give_back_unrun(self, job_id: str, rank: int) -> None:
        self.give_back(job_id, rank)
        self.retake_key(job_id)

    def retake_key(self, job_id: str) -> None:
        job = self.jobs[job_id]
        if job.coalesce == "queued" and self.unique.get(job.key) not in self.jobs:
            self.unique[job.key] = job_id

    def forget(self, job_id: str) -> None:
        self.free_key(job_id)
        del self.jobs[job_id]

    def die(self, now: int, job_id: str, reason: str, group: str = "") -> None:
        """``group``: of the error that its worker reports; "": it reports none."""
        if self.jobs[job_id].coalesce != "stored":
            self.free_key(job_id)
        job = self.jobs[job_id]
        job.suspect, job.cancel = "", False
        job.token = job.answer = (0, "")
        self.dead[job_id] = now
        self.count_death(now, job_id, group or f"{reason}:{job.name}")

    def count_death(self, now: int, job_id: str, group: str) -> None:
        job = self.jobs[job_id]
        job.group = group
        before = self.errors.get(job.group) or (0, now, now, "-", job.name)
        self.errors[job.group] = (before[0] + 1, before[1], now, job_id, job.name)

    def leave_dead(self, job_id: str) -> None:
        """Take a job out of the dead; it counts no more."""
        del self.dead[job_id]
        self.uncount_death(job_id)

    def uncount_death(self, job_id: str) -> None:
        group, self.jobs[job_id].group = self.jobs[job_id].group, ""
        count, first, last, sample, name = self.errors.pop(group)
        if count > 1:
            self.errors[group] = (count - 1, first, last, "-" if sample == job_id else sample, name)

    def end_cancelled(self, now: int, job_id: str, *, has_run: bool) -> None:
        if has_run:
            self.jobs[job_id].counters["executions"] += 1
        self.die(now, job_id, "cancelled")

    def succeed(self, now: int, job_id: str, keep: int | None) -> None:
        self.done += 1
        if not keep:
            self.forget(job_id)
            return
        self.free_key(job_id)
        self.jobs[job_id].counters["executions"] += 1
        self.jobs[job_id].cancel = False
        self.kept[job_id] = now + keep

    def fail(self, now: int, job_id: str, delay: int, reason: str = "failed", group: str = "") -> None:
        job = self.jobs[job_id]
        job.remember()
        job.clear()
        self.failed += 1
        is_hung = reason == "hung"
        job.counters["hung"] += is_hung
        is_last = is_hung and job.counters["hung"] >= MOST_HUNG
        if job.count("failures") >= (self.option(job, "max_attempts") or 0) or is_last:
            self.die(now, job_id, reason, group)
        elif delay > 0:
            self.scheduled[job_id] = now + delay
        else:
            self.ready[job_id] = self.fresh_rank(job_id)

    def fail_unreported(self, now: int, job_id: str, share: float, reason: str = "failed") -> None:
        job = self.jobs[job_id]
        nth = job.stands("failures") + 1
        entry = self.catalog.get(job.name, {})
        delay = growing(FAILED_MS, nth, share)
        if delays := entry.get("backoff_ms"):
            delay = ceil(delays[min(nth, len(delays)) - 1] * (share if entry.get("backoff_jitter") else 1))
        self.fail(now, job_id, delay, reason)

    def crash(self, now: int, job_id: str, share: float) -> None:
        job = self.jobs[job_id]
        job.remember()
        self.failed += 1
        crashes = job.count("crashes")
        if crashes >= (self.option(job, "max_crashes") or 0):
            self.die(now, job_id, "crashed")
            return
        if job.suspect:
            job.suspect = f"1 {job.suspect.split()[1]}"
        self.scheduled[job_id] = now + growing(CRASH_MS, crashes, share)

    def make_suspect(self, job_id: str, rank: int, suspicion: str) -> None:
        job = self.jobs[job_id]
        job.suspect = suspicion
        job.counters["executions"] += 1
        job.remember()
        self.give_back(job_id, rank)

    def lose(self, now: int, job_id: str, rank: int) -> None:
        job = self.jobs[job_id]
        job.remember()
        job.count("lost")
        lost = job.counters["lost"]
        if lost >= MOST_LOST:
            self.die(now, job_id, "lost")
        elif lost == 1:
            self.give_back(job_id, rank)
        else:
            job.suspect = "1 3"
            self.put_off(job_id, rank, now + growing(LOST_MS, lost - 1, 1))

    def interrupt(self, job_id: str, rank: int) -> None:
        self.jobs[job_id].remember()
        self.jobs[job_id].count("interrupts")
        self.give_back(job_id, rank)

    def put_off(self, job_id: str, rank: int, due: int) -> None:
        self.jobs[job_id].rank = rank
        self.scheduled[job_id] = due

    def discard(self, now: int, job_id: str, group: str = "") -> None:
        self.jobs[job_id].remember()
        self.jobs[job_id].count("failures")
        self.failed += 1
        self.die(now, job_id, "discarded", group)

    def defer(self, now: int, job_id: str, rank: int, delay: int) -> None:
        self.retake_key(job_id)
        self.put_off(job_id, rank, now + delay)

    def snooze(self, now: int, job_id: str, rank: int, delay: int) -> None:
        self.jobs[job_id].clear()
        self.jobs[job_id].count("snoozes")
        self.put_off(job_id, rank, now + delay)

    def oversized(self, now: int, job_id: str) -> None:
        self.jobs[job_id].remember()
        self.failed += 1
        self.die(now, job_id, "oversized")

    def enter_waiting(self, now: int, job_id: str, ms: int, backoff: int | None) -> None:
        job = self.jobs[job_id]
        job.clear()
        job.backoff = backoff
        self.waiting[job_id] = now + ms
        if job.answer[0] == job.attempt:
            self.end_wait(now, job_id, job.answer[1])

    def end_wait(self, now: int, job_id: str, kind: str) -> None:
        job = self.jobs[job_id]
        del self.waiting[job_id]
        job.token = job.answer = (0, "")
        if kind == "result":
            keep = self.option(job, "keep") or self.option(job, "keep_ms")
            self.succeed(now, job_id, keep)
        elif job.backoff is None:
            self.fail_unreported(now, job_id, 0.75, kind)
        else:
            self.fail(now, job_id, job.backoff, kind)

    def throttled(self, job_id: str, rank: int) -> None:
        self.jobs[job_id].limits = []
        self.give_back_unrun(job_id, rank)

    def malformed(self, job_id: str) -> None:
        self.rejected += 1
        self.forget(job_id)

    # What workers do

    def leave_active(self, worker: str, job_id: str) -> int:
        """Take a job out of a worker's hands; return its rank. Only now its attempt is written down."""
        rank, attempt = self.active[worker].pop(job_id)
        self.jobs[job_id].attempt, self.jobs[job_id].has_more = attempt, True
        self.cancels.discard(f"{worker} {job_id} {attempt}")
        return rank

    def settle(self, now: int, worker: str, report: Report) -> bool:
        """Record an outcome; False when it is stale."""
        job_id = report.id
        in_hand = self.active.get(worker, {}).get(job_id)
        if in_hand is None or in_hand[1] != report.attempt:
            return False
        rank = self.leave_active(worker, job_id)
        limited = self.jobs[job_id].limits
        if report.kind not in UNCLEANED:
            self.jobs[job_id].uncleaned = 0
        self._settle(now, job_id, rank, report)
        unrun_since = report.taken_ms if report.kind is Kind.RELEASED else None
        limits.free_places(self, now, job_id, report.attempt, limited, unrun_since)
        return True

    def _settle(self, now: int, job_id: str, rank: int, report: Report) -> None:
        kind, number = report.kind, report.number
        if self.jobs[job_id].cancel and kind not in (Kind.DONE, Kind.KEPT, Kind.MALFORMED):
            self._cancelled(now, job_id, kind)
            return
        ways = {
            Kind.DONE: lambda: self.succeed(now, job_id, None),
            Kind.KEPT: lambda: self.succeed(now, job_id, number),
            Kind.FAILED: lambda: self.fail(now, job_id, number, group=report.group),
            Kind.HUNG: lambda: self.fail(now, job_id, number, "hung"),
            Kind.DISCARDED: lambda: self.discard(now, job_id, report.group),
            Kind.INTERRUPTED: lambda: self.interrupt(job_id, rank),
            Kind.RELEASED: lambda: self.give_back_unrun(job_id, rank),
            Kind.THROTTLED: lambda: self.throttled(job_id, rank),
            Kind.WAITING: lambda: self.enter_waiting(now, job_id, number, BACKOFF_MS),
            Kind.CANCELLED: lambda: self._cancelled(now, job_id, kind),
            Kind.UNKNOWN: lambda: parking.unknown(self, now, job_id, rank),
            Kind.MISFIT: lambda: parking.misfit(self, now, job_id, rank, report),
            Kind.DEFERRED: lambda: self.defer(now, job_id, rank, number),
            Kind.SNOOZED: lambda: self.snooze(now, job_id, rank, number),
            Kind.OVERSIZED: lambda: self.oversized(now, job_id),
            Kind.MALFORMED: lambda: self.malformed(job_id),
        }
        ways[kind]()

    def _cancelled(self, now: int, job_id: str, kind: Kind) -> None:
        if kind not in UNRUN:
            self.jobs[job_id].remember()
        self.end_cancelled(now, job_id, has_run=kind not in UNRUN)

    def note_served(self, now: int) -> None:
        """A whole trip has been here."""
        is_noted = self.served is not None and 0 <= now - self.served < NOTE_SERVED_EVERY_MS
        if not is_noted and self.paused is None and not self.cancels and not self.suspects:
            self.served = now

    def resync(self, now: int, worker: str, held: Sequence[tuple[str, int]]) -> set[str]:
        """Give back what a worker does not name; return what it names and does not have in hand."""
        mine = self.active.get(worker, {})
        for job_id, (_, attempt) in in_order(mine):
            if (job_id, attempt) not in held:
                self._recall(now, worker, job_id, attempt)
        return {job_id for job_id, attempt in held if mine.get(job_id, (0, None))[1] != attempt}

    def recall(self, now: int, worker: str, jobs: Sequence[tuple[str, int]]) -> int:
        """Give back what a worker was told not to start; return how many it had in hand."""
        mine, before = self.active.get(worker, {}), len(self.active.get(worker, {}))
        for job_id, attempt in jobs:
            if mine.get(job_id, (0, None))[1] == attempt:
                self._recall(now, worker, job_id, attempt)
        return before - len(mine)

    def _recall(self, now: int, worker: str, job_id: str, attempt: int) -> None:
        rank, limited = self.leave_active(worker, job_id), self.jobs[job_id].limits
        if self.jobs[job_id].cancel:
            self.end_cancelled(now, job_id, has_run=False)
        else:
            self.give_back_unrun(job_id, rank)
        limits.free_places(self, now, job_id, attempt, limited)

    def view(self) -> QueueState:
        """What the keys should show."""
        sets = {
            "ready": self.ready, "scheduled": self.scheduled, "waiting": self.waiting, "parked": self.parked,
            "suspects": self.suspects, "transfers": self.transfers, "dead": self.dead, "kept": self.kept,
            "held": {job_id: rank for gate in self.gates.values() for job_id, rank in gate.held.items()},
        }  # fmt: skip
        return QueueState(
            sets=sets, leases=self.leases, active={worker: jobs for worker, jobs in self.active.items() if jobs},
            jobs={job_id: job.shown() for job_id, job in self.jobs.items()}, unique=self.unique, cancels=self.cancels,
            turns=self.turns,
            draining=self.draining, misfits=self.misfits(), errors=self.errors, arrived=self.arrived, moved=self.moved,
            limits=limits.view(self),
            meta=(self.seq, self.done, self.failed, self.trimmed), served=self.served, paused=self.paused is not None,
            pause_timer=self.pause_timer, inbox=len(self.inbox), rejected=self.rejected,
        )  # fmt: skip
