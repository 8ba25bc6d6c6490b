"""One trip a job, as jobs need it that take longer than a batch: with one queue, with eight of which one has work, and
with jobs of 30 ms, a hundred at once; and jobs of 10 ms, of which a trip brings some.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from drain import Drain, drains
from figures import Figure
from jobs import doze, noop, tarry
from stage import Stage

NAME = "trips"
_ONE_A_TRIP = ("--prefetch-ms", "0", "--queues")
_QUIET = tuple(f"quiet{n}" for n in range(7))


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield rates and what a job costs, then the ratio of eight queues to one."""
    share = 10 if stage.quick else 1
    alone = drains(stage, 1, (*_ONE_A_TRIP, noop.queue), 20_000 // share)
    stage.clear()
    among = drains(stage, 1, (*_ONE_A_TRIP, ",".join((*_QUIET, noop.queue))), 20_000 // share)
    stage.clear()
    yield from _figures("no-op, 1 queue", alone)
    yield from _figures("no-op, the last of 8 queues", among)
    ratios = tuple(one.jobs_s / other.jobs_s for one, other in zip(among, alone, strict=True))
    yield Figure(NAME, "8 queues against 1", "ratio", ratios, target="≥ 0.95")
    naps = drains(stage, 1, ("--concurrency", "100", "--queues", doze.queue), 20_000 // share, doze)
    stage.clear()
    yield from _figures("30 ms, 100 at once", naps, "≤ 35 µs")
    some = drains(stage, 1, ("--queues", tarry.queue), 1_000 // share, tarry)
    stage.clear()
    commands = tuple(drain.commands for drain in some)
    yield Figure(NAME, "10 ms, one at a time: Redis commands", "per job", commands)


def _figures(label: str, found: list[Drain], server_target: str = "") -> Iterator[Figure]:
    ratio = statistics.median(drain.get_ratio for drain in found)
    yield Figure(NAME, label, "jobs/s", tuple(drain.jobs_s for drain in found), note=f"{ratio:.2f} × GET")
    yield Figure(NAME, f"{label}: CPU of the worker", "µs/job", tuple(drain.worker_us for drain in found))
    server_us = tuple(drain.server_us for drain in found)
    yield Figure(NAME, f"{label}: CPU of the server", "µs/job", server_us, target=server_target)
