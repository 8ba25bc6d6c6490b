"""A worker as it sees itself: what it runs, what it has to report, and whether its last reply was lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from jqjobs.jobs import not_run
from jqjobs.jobs.blame import Scope
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind, Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls import trips
from jqjobs.store.calls.fast_trips import fast_trip
from jqjobs.store.calls.trips import Trip, Way
from property.choices import GROUPS, SIGNATURES, pick
from property.job_model import UNRUN, Report
from property.queue_model import BACKOFF_MS, LEASE_MS


@dataclass(frozen=True)
class Packet:
    """One trip on its way: it may arrive now, later, twice or never. ``fast_in``: its queue, "" of a whole one."""

    worker: str
    trip: int
    want: int
    free: int
    soon: int
    reports: tuple[Report, ...]
    in_hand: tuple[tuple[str, str, int], ...] | None
    suspects: tuple[int, Scope] | None
    call: Call[Trip]
    fast_in: str = ""
    way: Way = Way.ALL
    is_wake: bool = False


@dataclass
class Client:
    """One worker process. ``pending``: reports sent in a trip whose reply never came."""

    id: str
    queues: tuple[str, ...]
    trip: int = 0
    running: dict[tuple[str, str], TakenJob] = field(default_factory=dict)
    pending: list[Report] = field(default_factory=list)
    #: Key and limits of what has ended.
    keys: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    lost_touch: bool = False

    def finish(self, kinds: list[Kind], number: int) -> list[Report]:
        """End some running jobs, the oldest first."""
        ended = list(self.running.values())[: len(kinds)]
        for job in ended:
            del self.running[job.queue, job.id]
            self.keys[job.queue, job.id] = job.key, job.limits
        return [
            Report(
                job.queue,
                job.id,
                job.attempt,
                kind,
                number or int(kind is Kind.KEPT),
                pick(SIGNATURES, self.trip),
                is_checked=self.trip % 5 > 0,
                group=pick(GROUPS, self.trip),
                taken_ms=job.taken_ms if self.trip % 4 else 0,
            )
            for job, kind in zip(ended, kinds, strict=False)
        ]

    def packet(
        self, want: int, reports: list[Report], forged: list[Report], free: int = 0,
        suspects: tuple[int, Scope] | None = None, *, soon: int = 0, way: Way = Way.ALL,
    ) -> Packet:  # fmt: skip
        """Make the next trip; after a lost reply it is a resync and reports again. ``forged`` reports never count.

        ``free``: slots that are free beside what it runs; ``soon``: jobs that its one slot will have begun in a moment.
        ``suspects``: how many it asks for, if it has none in hand. ``way``: where it goes, if it is no resync.
        """
        self.trip += 1
        self.pending += reports
        sent = (*self.pending, *forged)
        in_hand = self._in_hand(forged) if self.lost_touch else None
        way = Way.ALL if in_hand is not None else way
        if any(job.suspicion for job in self.running.values()):
            suspects = None
        call = trips.exchange(
            self.queues, self.id, self.trip, want, LEASE_MS, outcomes=[self._outcome(r) for r in sent], in_hand=in_hand,
            free=free, soon=0 if free else soon, suspects=suspects, way=way,
        )  # fmt: skip
        named = None if in_hand is None else tuple((job.queue, job.id, job.attempt) for job in in_hand)
        return Packet(self.id, self.trip, want, free, soon, sent, named, suspects, call, way=way)

    def wake_packet(self, want: int, suspects: tuple[int, Scope] | None, *, way: Way) -> Packet | None:
        """Make the trip that stands behind the wait of an idle worker; None where one of another kind comes first."""
        if self.lost_touch or self.pending:
            return None
        self.trip += 1
        if any(job.suspicion for job in self.running.values()):
            suspects = None
        call = trips.exchange(
            self.queues, self.id, self.trip, want, LEASE_MS, suspects=suspects, is_wake=True, way=way
        )  # fmt: skip
        return Packet(self.id, self.trip, want, 0, 0, (), None, suspects, call, way=way, is_wake=True)

    def plain_in(self, queue: str) -> list[TakenJob]:
        """Return what it runs of this queue and could report in a fast trip, once it has succeeded."""
        mine = [job for job in self.running.values() if job.queue == queue]
        return [job for job in mine if job.attempt == 1 and not job.key and not job.limits]

    def fast_packet(self, queue: str, want: int, count: int, forged: list[Report]) -> Packet | None:
        """Make a fast trip that reports so many successes; None where it must be a whole one."""
        forged = [Report(queue, r.id, 1, Kind.DONE) for r in forged if r.queue == queue]
        pending = [*self.pending, *forged]
        if self.lost_touch or any((r.queue, r.attempt, r.kind) != (queue, 1, Kind.DONE) for r in pending):
            return None
        if any(any(self.keys.get((r.queue, r.id), ())) for r in pending):
            return None
        ended = self.plain_in(queue)[:count]
        for job in ended:
            del self.running[queue, job.id]
        self.trip += 1
        self.pending += [Report(queue, job.id, 1, Kind.DONE) for job in ended]
        sent = (*self.pending, *forged)
        done = [TakenJob(queue, r.id, 1, "", b"") for r in sent]
        call = fast_trip(queue, self.id, self.trip, want, done=done)
        return Packet(self.id, self.trip, want, 0, 0, sent, None, None, call, queue)

    def _in_hand(self, forged: list[Report]) -> list[TakenJob]:
        """What the worker believes to have in hand, which may be more than it does."""
        believed = [(job.queue, job.id, job.attempt) for job in self.running.values()]
        believed += [(r.queue, r.id, r.attempt) for r in forged]
        return [TakenJob(queue, job_id, attempt, "", b"") for queue, job_id, attempt in believed]

    def _outcome(self, r: Report) -> Outcome:
        key, limits = self.keys.get((r.queue, r.id), ("", ""))
        job = TakenJob(r.queue, r.id, r.attempt, "", b"", keep_ms=r.number, key=key, taken_ms=r.taken_ms)
        job.limits = limits
        match r.kind:
            case Kind.KEPT:
                return Outcome.kept(job, result=b"{}")
            case Kind.WAITING:
                return Outcome.waiting(job, wait_ms=r.number, delay_ms=BACKOFF_MS)
            case Kind.THROTTLED:
                return not_run.throttled(job, limits="-")
            case Kind.MISFIT:
                return not_run.misfit(
                    job, park_ms=r.park_ms, signature=r.signature, is_checked=r.is_checked, error="why", line=b"{}"
                )
            case _:
                line = b"" if r.kind in UNRUN else b"{}"
                return Outcome(job, r.kind, r.number, "why", line, r.group)

    def hear(self, answer: Trip) -> None:
        """Believe an answer that arrived."""
        assert answer.status is Status.OK
        self.pending.clear()
        self.keys.clear()
        self.lost_touch = False
        for job_id in answer.lost:
            for queue in self.queues:
                self.running.pop((queue, job_id), None)
        for job in answer.jobs:
            job.taken_ms = answer.now_ms
        self.running |= {(job.queue, job.id): job for job in answer.jobs}
