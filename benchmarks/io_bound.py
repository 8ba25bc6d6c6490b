"""I/O-bound jobs: each waits 10 ms; concurrency 10 and 100, in threads and on an event loop, one worker.

Beside them the machine's own limit: the same waits in a bare program without a queue.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import envs
from figures import Figure
from stage import Stage, rate
from subjects import JQJOBS, Mode
from trial import Trial

NAME = "io"
_WAIT_S = 0.01
_COMMAND = "python -m jqjobs.cli.jqd --app peers.jqjobs:app --jitter 0 --processes 1"


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield the bare limits, then the rates."""
    trial = Trial(stage, JQJOBS, envs.prepare(JQJOBS, envs.DEFAULT))
    for concurrency in (10, 100):
        bare = {"async": _bare_async, "threads": _bare_threads}
        for kind, job, queue in (("async", "nap", "naps"), ("threads", "nap_sync", "sync-naps")):
            name, ideal = f"10 ms jobs, {concurrency} {kind}", concurrency / _WAIT_S
            limit = _bare(stage, bare[kind], concurrency)
            yield Figure(NAME, f"{name}, bare: no queue", "/s", limit, note=f"ideal {ideal:,.0f}")
            options = f"--queues {queue} --concurrency {concurrency}"
            mode = Mode(name, f"{_COMMAND} {options}", job=job, first=concurrency * 20)
            target = f"≥ {0.8 * ideal:,.0f}" if (concurrency, kind) == (100, "async") else ""
            rates = tuple(trial.rates(mode, max(2, stage.repeats // 2)))
            yield Figure(NAME, name, "jobs/s", rates, target=target, note=f"{max(rates) / ideal:.2f} of the ideal")


def _bare(stage: Stage, run: Callable[[int, int], None], concurrency: int) -> tuple[float, ...]:
    turns = 20 if stage.quick else 100
    return tuple(rate(turns * concurrency, lambda: run(concurrency, turns)) for _ in range(3))


def _bare_async(concurrency: int, turns: int) -> None:
    async def wait() -> None:
        for _ in range(turns):
            await asyncio.create_task(asyncio.sleep(_WAIT_S))

    async def all_of_them() -> None:
        await asyncio.gather(*(wait() for _ in range(concurrency)))

    asyncio.run(all_of_them())


def _bare_threads(concurrency: int, turns: int) -> None:
    with ThreadPoolExecutor(concurrency) as pool:
        for _ in range(turns * concurrency):
            pool.submit(time.sleep, _WAIT_S)
