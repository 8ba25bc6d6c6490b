"""Footprint: memory of a daemon and a worker, bytes of a queued job, what an idle worker asks of Redis and the CPU.

`files`: the same with an app of 2,000 modules to watch. `crowd`: 400 idle workers on 20 queues, by its own name only,
since it wants 9 GB and some minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from apps import write_large_app, write_wide_app
from figures import Figure
from jobs import app
from machine import children, cpu_s, pss_mib
from monitor import Monitor
from stage import HERE, Stage, daemon, rate

NAME = "footprint"
_PAYLOADS = (40, 500)
#: The first look at the files, and the first seconds of housekeeping, are not what idling costs.
_SETTLE_S = 12.0
_CROWD_DAEMONS, _CROWD_WORKERS, _CROWD_QUEUES = 4, 100, 20


@dataclass(frozen=True)
class Idle:
    """What some idle processes cost a second."""

    daemon_percent: float
    worker_percent: float
    server_percent: float
    sent: float
    inside: float


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield bytes of a queued job, then what an idle daemon with one worker takes."""
    for size in _PAYLOADS:
        yield Figure(NAME, f"a queued job with {size} bytes of arguments", "bytes", (_bytes_per_job(stage, size),))
    yield from _idle(stage, "jobs:app", "bench", HERE, "")


def files(stage: Stage) -> Iterator[Figure]:
    """Yield what idling costs a daemon that watches 2,000 source files."""
    directory = stage.place.directory / "large"
    modules = 200 if stage.quick else 2000
    write_large_app(directory, modules)
    yield from _idle(stage, "large:app", "default", directory, f", {modules:,} files")


def crowd(stage: Stage) -> Iterator[Figure]:
    """Yield what 400 idle workers of 4 daemons on 20 queues ask of Redis."""
    directory = stage.place.directory / "wide"
    write_wide_app(directory, _CROWD_QUEUES)
    workers = 2 if stage.quick else _CROWD_WORKERS
    with ExitStack() as stack:
        pids = [
            stack.enter_context(daemon(app="wide:app", directory=directory, workers=workers))
            for _ in range(_CROWD_DAEMONS)
        ]
        idle = _watch(stage, pids, 10 if stage.quick else 60)
    name = f"{_CROWD_DAEMONS * workers} idle workers on {_CROWD_QUEUES} queues"
    yield Figure("crowd", f"{name}: a core of Redis", "%", (idle.server_percent,), target="< 1 %")
    yield Figure("crowd", f"{name}: commands", "/s", (idle.sent,), note=f"{idle.inside:.0f} more inside scripts")
    yield Figure("crowd", f"{name}: CPU of each worker", "% of a core", (idle.worker_percent,))


def _idle(stage: Stage, app_path: str, queue: str, directory: Path, suffix: str) -> Iterator[Figure]:
    with daemon("--queues", queue, app=app_path, directory=directory) as pid:
        idle = _watch(stage, [pid], 5 if stage.quick else 30)
        memory = pss_mib(pid), pss_mib(children(pid)[0])
    for who, mib in zip(("daemon", "worker"), memory, strict=True):
        yield Figure(
            NAME, f"memory of the {who} (PSS){suffix}", "MiB", (mib,), target="≤ 30" if who == "worker" else ""
        )
    yield Figure(NAME, f"CPU of the idle daemon{suffix}", "% of a core", (idle.daemon_percent,))
    yield Figure(NAME, f"CPU of the idle worker{suffix}", "% of a core", (idle.worker_percent,), target="< 0.3")
    note = f"the daemon's share included; {idle.inside:.1f} more inside scripts"
    yield Figure(NAME, f"Redis commands of an idle worker{suffix}", "/s", (idle.sent,), target="≤ 3", note=note)


def _watch(stage: Stage, daemons: list[int], seconds: float) -> Idle:
    time.sleep(_SETTLE_S)
    workers = [worker for pid in daemons for worker in children(pid)]
    groups = (daemons, workers, [stage.place.pid])
    before = [sum(map(cpu_s, group)) for group in groups]
    time.sleep(seconds)
    used = [sum(map(cpu_s, group)) - old for group, old in zip(groups, before, strict=True)]
    shares = [100 * cpu / seconds for cpu in used]
    # Commands are counted apart: the server pays for a monitor.
    sent, inside = Monitor.per_second(stage.place.url, seconds)
    return Idle(shares[0] / len(daemons), shares[1] / len(workers), shares[2], sent, inside)


def _bytes_per_job(stage: Stage, size: int) -> float:
    stage.clear()
    jobs = 2000 if stage.quick else 20_000
    take = app.registry.find("take")
    arguments = ("x" * (size - len('{"args":[""]}')),)
    take.enqueue(*arguments)
    before = int(stage.info("memory")["used_memory"])
    rate(jobs, lambda: take.enqueue_many([arguments] * jobs))
    used = int(stage.info("memory")["used_memory"]) - before
    stage.clear()
    return used / jobs
