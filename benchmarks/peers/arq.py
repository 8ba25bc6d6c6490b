"""arq: results are not kept; the poll interval, jobs at a time and jobs a poll come from the environment."""
# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-unimported"

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

import ledger
from peers.produce import in_chunks

cells = ledger.attach()
_settings = RedisSettings(unix_socket_path=os.environ["JQ_REDIS_URL"].removeprefix("unix://"))
#: For --custom-log-dict: arq logs two lines a job otherwise.
QUIET = {"version": 1, "disable_existing_loggers": False}


async def noop(_: Any, index: int) -> None:
    """Say when it ran."""
    cells[index] = time.monotonic_ns()


async def nap(_: Any, index: int) -> None:
    """Wait 10 or 30 ms."""
    await asyncio.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


class WorkerSettings:
    """What the worker reads."""

    functions = (noop, nap)
    redis_settings = _settings
    keep_result = 0
    max_jobs = int(os.environ.get("BENCH_CONCURRENCY", "10"))
    poll_delay = float(os.environ.get("BENCH_POLL_S", "0.5"))
    queue_read_limit = max(100, 5 * max_jobs)


class _Pool:
    """The connection, made once the loop runs."""

    redis: ArqRedis


async def start() -> None:
    """Connect."""
    _Pool.redis = await create_pool(_settings)


async def one(job: str, index: int) -> None:
    """Enqueue one job."""
    await _Pool.redis.enqueue_job(job, index)


async def many(job: str, indexes: Iterable[int]) -> None:
    """Enqueue many jobs."""
    await in_chunks(lambda index: _Pool.redis.enqueue_job(job, index), indexes)
