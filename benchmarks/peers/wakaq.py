"""wakaq: no retries, no limits, quiet; over the unix socket as all others, which its options do not know."""
# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-unimported"

from __future__ import annotations

import asyncio
import logging
import os
import time

from redis import Redis
from wakaq import WakaQ

import ledger

cells = ledger.attach()
wakaq = WakaQ(
    queues=["bench"], concurrency=int(os.environ.get("BENCH_CONCURRENCY", "1")), worker_log_level=logging.ERROR
)  # fmt: skip
wakaq.broker = Redis.from_url(os.environ["JQ_REDIS_URL"], decode_responses=True, socket_timeout=15)


@wakaq.task
def noop(index: int) -> None:
    """Say when it ran."""
    cells[index] = time.monotonic_ns()


@wakaq.task
async def nap(index: int) -> None:
    """Wait 10 or 30 ms."""
    await asyncio.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


_TASKS = {"noop": noop, "nap": nap}


def one(job: str, index: int) -> None:
    """Enqueue one job."""
    _TASKS[job].delay(index)
