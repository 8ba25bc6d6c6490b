"""taskiq on Redis: the stream broker, which acknowledges, or the list broker, which does not; no result backend."""
# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-unimported"

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable

from taskiq_redis import ListQueueBroker, RedisStreamBroker

import ledger
from peers.produce import in_chunks

cells = ledger.attach()
_kind = ListQueueBroker if os.environ.get("BENCH_BROKER") == "list" else RedisStreamBroker
broker = _kind(os.environ["JQ_REDIS_URL"], queue_name="bench")


@broker.task(task_name="noop")
async def noop(index: int) -> None:
    """Say when it ran."""
    cells[index] = time.monotonic_ns()


@broker.task(task_name="nap")
async def nap(index: int) -> None:
    """Wait 10 or 30 ms."""
    await asyncio.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


_TASKS = {"noop": noop, "nap": nap}


async def start() -> None:
    """Connect; make the consumer group, which sees only what comes after it."""
    await broker.startup()


async def one(job: str, index: int) -> None:
    """Enqueue one job."""
    await _TASKS[job].kiq(index)


async def many(job: str, indexes: Iterable[int]) -> None:
    """Enqueue many jobs."""
    await in_chunks(_TASKS[job].kiq, indexes)
