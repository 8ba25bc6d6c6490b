"""A slow link: one worker with 5 ms jobs, 1 ms away from Redis in each direction, against the same proxy without delay.

Two daemons, each behind its own proxy and with its own queue, work by turns.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import redis

import ledger
from figures import Figure
from jobs import LINKS, NAP_S, nap
from stage import HERE, Stage, daemon, wait_until

NAME = "slow-link"
_DELAYS_MS = (0.0, 1.0)


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield the rate behind each proxy, their ratio, and the round trip through the slow one as a proof."""
    jobs = 100 if stage.quick else 500
    rates: dict[str, list[float]] = {link: [] for link in LINKS}
    stage.new_ledger(jobs)  # daemons hear of it when they start
    with ExitStack() as stack:
        ports = [stack.enter_context(_proxy(stage.place.url, delay)) for delay in _DELAYS_MS]
        for link, port in zip(LINKS, ports, strict=True):
            stack.enter_context(daemon("--redis", f"redis://127.0.0.1:{port}", "--queues", link))
        for _ in range(stage.repeats + 1):
            for link in LINKS:
                rates[link].append(_run(stage, link, jobs))
        trip_ms = tuple(_round_trip_ms(ports[1]) for _ in range(20))
    near, far = (tuple(rates[link][1:]) for link in LINKS)
    yield Figure(NAME, "round trip of a PING through the slow link", "ms", trip_ms)
    yield Figure(NAME, "5 ms jobs, 1 worker, no delay", "jobs/s", near, note=f"ideal {1 / NAP_S:.0f}")
    yield Figure(NAME, "5 ms jobs, 1 worker, 1 ms each way", "jobs/s", far)
    ratios = tuple(slow / fast for slow, fast in zip(far, near, strict=True))
    yield Figure(NAME, "1 ms each way against no delay", "ratio", ratios, target="≥ 0.85")
    stage.clear()


def _run(stage: Stage, link: str, jobs: int) -> float:
    cells = stage.new_ledger(jobs)
    nap.options(queue=link).enqueue_many([(index,) for index in range(jobs)])
    wait_until(lambda: ledger.first_gap(cells) == jobs, 60 + jobs * NAP_S * 10, 0.05)
    return ledger.steady_rate(cells, warm_up=0.1)


@contextmanager
def _proxy(url: str, delay_ms: float) -> Iterator[int]:
    command = [sys.executable, str(HERE / "proxy.py"), url, str(delay_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def _round_trip_ms(port: int) -> float:
    client = redis.Redis(port=port, single_connection_client=True)
    client.ping()
    started = time.perf_counter()
    client.ping()
    seconds = time.perf_counter() - started
    client.close()
    return seconds * 1000
