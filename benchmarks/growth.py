"""Growth: does a long queue slow the work down? Drain rate and take latency at 10^3, 10^5 and 10^6 queued jobs.

Two queues of one daemon: `bench` is short, `large` is long. By turns one of them goes on for some thousand jobs, is
paused and topped up, so both sizes are measured on the same warm worker. The take latency is the server's own: the
percentiles of EVALSHA while a daemon takes one job a trip.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from figures import Figure
from jobs import drop, noop
from stage import Stage, daemon

NAME = "growth"
#: Jobs of one turn; small beside the queue, so that its length hardly changes.
_TURN = 5000
_SHORT = 10_000


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield rates and take latencies by length, then the ratio of the longest to the short one."""
    lengths = (1000, 10_000, 100_000) if stage.quick else (1000, 100_000, 1_000_000)
    turns = max(3, stage.repeats * 2)
    for length in lengths:
        _top_up(stage, drop, length)
        with daemon():
            pairs = [(_turn(stage, noop, _SHORT), _turn(stage, drop, length)) for _ in range(turns + 1)][1:]
        yield Figure(NAME, f"drain at {length:,} queued", "jobs/s", tuple(long for _, long in pairs))
        with daemon("--prefetch-ms", "0"):
            yield from _latency(stage, length)
    # The last pairs are those of the longest queue.
    ratios = tuple(long / short for short, long in pairs)
    note = f"short: {statistics.median(short for short, _ in pairs):,.0f} jobs/s"
    yield Figure(NAME, f"drain at {lengths[-1]:,} against {_SHORT:,}", "ratio", ratios, target="≥ 0.9", note=note)
    stage.clear()


def _turn(stage: Stage, job: Any, length: int) -> float:
    """Top the queue up, let it go on for a while; return jobs a second."""
    _top_up(stage, job, length)
    jobs = min(_TURN, length * 3 // 4)
    start = stage.done(job.queue)
    started = time.perf_counter()
    stage.pause(job.queue, resume=True)
    while (done := stage.done(job.queue) - start) < jobs:
        time.sleep(0.002)
    seconds = time.perf_counter() - started
    stage.pause(job.queue)
    return done / seconds


def _top_up(stage: Stage, job: Any, length: int) -> None:
    stage.pause(job.queue)
    missing = length - int(stage.store.wire.call("ZCARD", f"jq:{{{job.queue}}}:ready"))
    for at in range(0, missing, 10_000):
        job.enqueue_many([()] * min(10_000, missing - at))


def _latency(stage: Stage, length: int) -> Iterator[Figure]:
    _top_up(stage, drop, length)
    stage.store.wire.call("CONFIG", "RESETSTAT")
    _turn(stage, drop, length)
    spread = stage.info("latencystats")["latency_percentiles_usec_evalsha"]
    shares = dict(part.split("=") for part in spread.split(","))
    for percent in ("50", "99"):
        name = f"take one at {length:,} queued, p{percent}, in the server"
        yield Figure(NAME, name, "µs", (float(shares[f"p{percent}"]),))
