"""Latency of an idle worker: from before enqueue to the first line of the job, one job at a time.

Both moments are CLOCK_MONOTONIC of this machine. Between two jobs 15 to 40 ms pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import envs
from figures import Figure, percentile
from stage import Stage
from subjects import JQJOBS
from trial import Trial

NAME = "latency"
_TARGETS = {50: "aim: 0.8", 95: "", 99: "aim: 1.5"}


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield p50, p95 and p99, each of several runs."""
    trial = Trial(stage, JQJOBS, envs.prepare(JQJOBS, envs.DEFAULT))
    runs, count = (1, 100) if stage.quick else (max(2, stage.repeats // 2), 500)
    took = [trial.latencies(JQJOBS.idle[0], count, 60.0) for _ in range(runs)]
    for percent, target in _TARGETS.items():
        samples = tuple(percentile(run, percent) for run in took)
        yield Figure(NAME, f"idle worker, p{percent}", "ms", samples, target=target)
