"""All subjects side by side: the same measures, server, ledger and rules for each.

Where a subject has more than one mode all are tried; the best is the figure, and its note names the others.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from envs import Environment
from figures import Figure, percentile
from stage import Stage
from subjects import Mode, Subject
from trial import Trial

NAME = "versus"
ONE, CORES, NAPS = "no-op, 1 worker", "no-op, best on 2 cores", "10 ms jobs, concurrency ≥ 100"
EACH, LONG_NAPS = "no-op, 1 worker, to Redis for each job", "30 ms jobs, concurrency ≥ 100"
P50, P99 = "idle latency p50", "idle latency p99"
#: Jobs and seconds of the latency of one mode.
_IDLE_JOBS, _IDLE_S = 700, 30.0


@dataclass(frozen=True)
class _Tried:
    """A mode and what it gave; an empty list: it failed."""

    mode: Mode
    samples: list[float]
    error: str = ""

    @property
    def value(self) -> float:
        return statistics.median(self.samples) if self.samples else 0.0

    def __str__(self) -> str:
        return f"{self.mode.label}: " + (f"{self.value:,.3g}" if self.samples else f"failed ({self.error})")


def measure(stage: Stage, subject: Subject, environment: Environment, rows: Sequence[str]) -> Iterator[Figure]:
    """Yield the figures of one subject; ``rows``: of `ROWS`."""
    trial = Trial(stage, subject, environment)
    for row in rows:
        yield from ROWS[row](stage, trial, subject)


def _enqueue(stage: Stage, trial: Trial, subject: Subject) -> Iterator[Figure]:
    for one_by_one, name in ((True, "enqueue, one by one"), (False, "enqueue, many")):
        if one_by_one or subject.has_many:
            samples = [trial.enqueue_rate(1000, one_by_one=one_by_one) for _ in range(_repeats(stage))]
            yield Figure(NAME, name, "jobs/s", tuple(samples), subject=subject.name)


def _one(stage: Stage, trial: Trial, subject: Subject) -> Iterator[Figure]:
    yield from drains(stage, trial, subject, ONE, subject.one)
    if trial.pss_mib:
        yield Figure(NAME, "memory, all processes (PSS)", "MiB", (trial.pss_mib,), subject=subject.name)


def _each(stage: Stage, trial: Trial, subject: Subject) -> Iterator[Figure]:
    if subject.each:
        yield from drains(stage, trial, subject, EACH, subject.each)


def _cores(stage: Stage, trial: Trial, subject: Subject) -> Iterator[Figure]:
    yield from drains(stage, trial, subject, CORES, (*subject.cores,))


def _naps(stage: Stage, trial: Trial, subject: Subject) -> Iterator[Figure]:
    yield from drains(stage, trial, subject, NAPS, subject.naps)


def _long_naps(stage: Stage, trial: Trial, subject: Subject) -> Iterator[Figure]:
    modes = [replace(mode, environment={**mode.environment, "BENCH_NAP_S": "0.03"}) for mode in subject.naps]
    yield from drains(stage, trial, subject, LONG_NAPS, modes)


def drains(stage: Stage, trial: Trial, subject: Subject, name: str, modes: Sequence[Mode]) -> Iterator[Figure]:
    """Yield the rate of the best mode, with GETs before and after."""
    before = stage.get_rate()
    tried = [_attempt(mode, lambda mode: trial.rates(mode, _repeats(stage))) for mode in modes]
    around = statistics.mean([before, stage.get_rate()])
    best = max(tried, key=lambda one: one.value)
    if not best.samples:
        yield Figure(NAME, name, "jobs/s", (0.0,), note=_note(best, tried), subject=subject.name)
        return
    ratios = tuple(rate / around for rate in best.samples)
    yield Figure(NAME, name, "jobs/s", tuple(best.samples), ratios, note=_note(best, tried), subject=subject.name)


def latencies(stage: Stage, trial: Trial, subject: Subject) -> Iterator[Figure]:
    """Yield p50, p95 and p99 of the idle latency of the quickest mode."""
    count, most_s = (60, 8.0) if stage.quick else (_IDLE_JOBS, _IDLE_S)
    tried = [_attempt(mode, lambda mode: trial.latencies(mode, count, most_s)) for mode in subject.idle]
    best = min(tried, key=lambda one: one.value or float("inf"))
    note = _note(best, tried)
    for name, percent in ((P50, 50), ("idle latency p95", 95), (P99, 99)):
        if best.samples:
            yield Figure(NAME, name, "ms", (percentile(best.samples, percent),), note=note, subject=subject.name)


#: What can be asked for, each by itself.
ROWS: dict[str, Callable[[Stage, Trial, Subject], Iterator[Figure]]] = {
    "enqueue": _enqueue, "one": _one, "each": _each, "cores": _cores, "naps": _naps, "long": _long_naps,
    "latency": latencies,
}  # fmt: skip


def _repeats(stage: Stage) -> int:
    return max(1, stage.repeats // 2)


def _attempt(mode: Mode, run: Callable[[Mode], list[float]]) -> _Tried:
    try:
        return _Tried(mode, run(mode))
    except (RuntimeError, TimeoutError, OSError) as error:
        return _Tried(mode, [], " ".join(str(error).split())[-100:])


def _note(best: _Tried, tried: Sequence[_Tried]) -> str:
    others = "; ".join(str(one) for one in tried if one is not best)
    return (best.mode.label if best.samples else str(best)) + (f" ({others})" if others else "")
