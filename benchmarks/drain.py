"""Drain at no-op: jobs a second of 1, 2 and 4 workers, and of one that takes a job a trip.

The queue is paused and filled while the daemon runs; measured is from resume until the last one is recorded as done.
Plain GETs of redis-py frame each run. The first run of a daemon is a warm-up.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from figures import Figure
from jobs import noop
from machine import children, cpu_s
from stage import Stage, daemon

NAME = "drain"
#: label, workers, options, jobs a run, what was asked for
_VARIANTS: tuple[tuple[str, int, tuple[str, ...], int, str], ...] = (
    ("1 worker", 1, (), 80_000, "≥ 2.0 × GET"),
    ("2 workers", 2, (), 80_000, ""),
    ("4 workers", 4, (), 80_000, ""),
    ("1 worker, one a trip (--prefetch-ms 0)", 1, ("--prefetch-ms", "0"), 20_000, "≥ 0.5 × GET"),
)


@dataclass(frozen=True)
class Drain:
    """One drain: how fast, against plain GETs, and what it cost a job."""

    jobs_s: float
    get_ratio: float
    worker_us: float
    server_us: float
    commands: float


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield the rate of each variant, and what a job costs."""
    for label, workers, options, jobs, target in _VARIANTS:
        yield from _figures(label, target, drains(stage, workers, options, jobs // 10 if stage.quick else jobs))
        stage.clear()


def fill(jobs: int, job: Any = noop, arguments: Callable[[int], tuple[Any, ...]] = lambda n: ()) -> None:
    """Enqueue jobs; ``arguments``: of the n-th one."""
    for at in range(0, jobs, 10_000):
        job.enqueue_many([arguments(n) for n in range(at, min(at + 10_000, jobs))])


def drains(
    stage: Stage, workers: int, options: tuple[str, ...], jobs: int, job: Any = noop,
    arguments: Callable[[int], tuple[Any, ...]] = lambda n: (),
) -> list[Drain]:  # fmt: skip
    """Return what each repeat came to, after a warm-up."""
    with daemon(*options, workers=workers) as pid:
        return [_drain(stage, pid, jobs, job, arguments) for _ in range(stage.repeats + 1)][1:]


def _drain(stage: Stage, pid: int, jobs: int, job: Any, arguments: Callable[[int], tuple[Any, ...]]) -> Drain:
    queue = job.queue
    stage.pause(queue)
    fill(jobs, job, arguments)
    before = stage.get_rate()
    goal, workers = stage.done(queue) + jobs, children(pid)
    costs = _costs(stage, workers)
    started = time.perf_counter()
    stage.pause(queue, resume=True)
    looks = 0
    while stage.done(queue) < goal:
        looks += 1
        time.sleep(0.005)
    seconds = time.perf_counter() - started
    worker_s, server_s, commands = (new - old for new, old in zip(_costs(stage, workers), costs, strict=True))
    around = statistics.mean([before, stage.get_rate()])
    return Drain(
        jobs / seconds, jobs / seconds / around, worker_s / jobs * 1e6, server_s / jobs * 1e6, (commands - looks) / jobs
    )


def _costs(stage: Stage, workers: list[int]) -> tuple[float, float, float]:
    # Redis counts the commands that scripts call, too.
    commands = float(stage.info("stats")["total_commands_processed"])
    return sum(map(cpu_s, workers)), cpu_s(stage.place.pid), commands


def _figures(label: str, target: str, drains: list[Drain]) -> Iterator[Figure]:
    jobs_s, ratios = tuple(drain.jobs_s for drain in drains), tuple(drain.get_ratio for drain in drains)
    yield Figure(NAME, label, "jobs/s", jobs_s, ratios, target)
    yield Figure(NAME, f"{label}: CPU of the workers", "µs/job", tuple(drain.worker_us for drain in drains))
    yield Figure(NAME, f"{label}: CPU of the server", "µs/job", tuple(drain.server_us for drain in drains))
    commands = tuple(drain.commands for drain in drains)
    yield Figure(NAME, f"{label}: Redis commands", "per job", commands, note="those inside scripts counted, too")
