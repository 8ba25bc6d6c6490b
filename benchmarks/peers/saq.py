"""SAQ on Redis: finished jobs are removed at once (ttl=-1); how many run at a time comes from the environment."""
# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-unimported"

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

import ledger
from peers.produce import in_chunks

cells = ledger.attach()
queue = RedisQueue(Redis.from_url(os.environ["JQ_REDIS_URL"]), name="bench")


async def noop(_: Any, *, index: int) -> None:
    """Say when it ran."""
    cells[index] = time.monotonic_ns()


async def nap(_: Any, *, index: int) -> None:
    """Wait 10 or 30 ms."""
    await asyncio.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


settings = {
    "queue": queue,
    "functions": [noop, nap],
    "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "10")),
}


async def one(job: str, index: int) -> None:
    """Enqueue one job."""
    await queue.enqueue(job, index=index, ttl=-1)


async def many(job: str, indexes: Iterable[int]) -> None:
    """Enqueue many jobs."""
    await in_chunks(lambda index: queue.enqueue(job, index=index, ttl=-1), indexes)
