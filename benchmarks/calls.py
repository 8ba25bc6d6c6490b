"""How long one call keeps Redis busy: CPU of the server for each of the longest ones.

A worker's trips are cut as it cuts them (`Reports.take`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TypeVar
from unittest.mock import Mock

from figures import Figure
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import NewJob
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls import enqueueing, leases, trips, upkeep
from jqjobs.worker.trips.reports import Reports
from machine import cpu_s
from stage import Stage

NAME = "calls"
_JOBS, _LEASE_MS, _TRACEBACK = 256, 30_000, 4096
_WORKERS = 5000
T = TypeVar("T")
_Ended = Callable[[TakenJob], Outcome]


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield the CPU of each sort of call."""
    rounds = 3 if stage.quick else 20
    yield Figure(NAME, "1,000 HMGETs in one script", "ms", tuple(_yardstick(stage, 3 * rounds)), note="a yardstick")
    free = [f"c 1 0 free{n}" for n in range(_JOBS)]
    full = [f"c 1 0 full{n}" for n in range(_JOBS)]
    kinds: tuple[tuple[str, Callable[[], tuple[list[float], list[float]]]], ...] = (
        ("jobs with a limit each", lambda: _rounds(stage, rounds, free, 1, Outcome.done)),
        ("the same, others wait for each limit", lambda: _rounds(stage, rounds, full, 2, Outcome.done)),
        ("failures with 4 KiB of traceback", lambda: _rounds(stage, rounds, [""] * _JOBS, 1, _failed)),
    )
    for label, run in kinds:
        settles, takes = run()
        yield Figure(NAME, f"{_JOBS} {label}: a trip that takes", "ms", tuple(takes), target="≤ 5")
        yield Figure(NAME, f"{_JOBS} {label}: a trip that settles and takes", "ms", tuple(settles), target="≤ 5")
    yield Figure(
        NAME, f"leases of {_WORKERS:,} workers after an outage", "ms", tuple(_amnesty(stage, rounds)), target="≤ 5"
    )


def _failed(job: TakenJob) -> Outcome:
    line = json.dumps({"attempt": 1, "reason": "failed", "error": "ValueError: no", "traceback": "x" * _TRACEBACK})
    return Outcome.failed(job, delay_ms=3_600_000, error="ValueError: no", line=line.encode())


def _rounds(
    stage: Stage, rounds: int, limits: Sequence[str], each: int, ended: _Ended
) -> tuple[list[float], list[float]]:
    """Return what trips took that settle and take, and those that take only, in ms of CPU."""
    settles: list[float] = []
    takes: list[float] = []
    for _ in range(rounds):
        stage.clear()
        _join(stage, "w")
        for turn in range(each):
            new = [_job(f"{turn}x{n}", text) for n, text in enumerate(limits)]
            stage.store.run(enqueueing.enqueue("q", new))
        worker = _Worker(stage)
        reports = Reports(Mock())
        while jobs := worker.trip(reports, takes):
            for job in jobs:
                reports.add(ended(job))
            while reports.pending:
                jobs = worker.trip(reports, settles)
                for job in jobs:
                    reports.add(ended(job))
    return settles, takes


def _job(job_id: str, limits: str) -> NewJob:
    return NewJob("n", b"{}", id=job_id, fields=("limits", limits) if limits else ("timeout", 5000))


def _join(stage: Stage, *workers: str) -> None:
    stage.store.run(leases.publish("q", _LEASE_MS, {"n": {}}))
    stage.store.run_all([leases.join("q", worker, _LEASE_MS) for worker in workers])


class _Worker:
    """Makes trips."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._number = count(1)

    def trip(self, reports: Reports, spent_ms: list[float]) -> list[TakenJob]:
        """Report, and take what comes; note the CPU."""
        report = reports.take()
        call = trips.exchange(
            ["q"], "w", next(self._number), _JOBS, _LEASE_MS, done=report.done, outcomes=report.outcomes, free=_JOBS
        )
        all_ms: list[float] = []
        trip = _timed(self._stage, call, all_ms)
        if trip.jobs or report.outcomes:
            spent_ms += all_ms
        for job in trip.jobs:
            job.taken_ms = trip.now_ms
        return trip.jobs


def _timed(stage: Stage, call: Call[T], spent_ms: list[float]) -> T:
    before_s = cpu_s(stage.place.pid)
    answer = stage.store.run(call)
    spent_ms.append(1000 * (cpu_s(stage.place.pid) - before_s))
    return answer


def _yardstick(stage: Stage, rounds: int) -> list[float]:
    script = "for i = 1, 1000 do redis.call('HMGET', 'jq:{q}:meta', 'a', 'b') end"
    spent_ms: list[float] = []
    for _ in range(rounds):
        before_s = cpu_s(stage.place.pid)
        stage.store.wire.call("EVAL", script, 0)
        spent_ms.append(1000 * (cpu_s(stage.place.pid) - before_s))
    return spent_ms


def _amnesty(stage: Stage, rounds: int) -> list[float]:
    """Return what the calls took in which nobody is reaped after an outage."""
    stage.clear()
    _join(stage, *(f"w{n}" for n in range(_WORKERS)))
    spent_ms: list[float] = []
    for _ in range(rounds):
        stage.store.wire.call("HDEL", "jq:{q}:meta", "reaped")
        while _timed(stage, upkeep.housekeep("q", _LEASE_MS, 1000, 1000), spent_ms).more:
            pass
    return spent_ms
