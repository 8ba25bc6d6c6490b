"""Huey on Redis, blocking reads as by default; no results."""
# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-unimported"

from __future__ import annotations

import os
import time

from huey import RedisHuey
from redis import ConnectionPool

import ledger

cells = ledger.attach()
# redis-py allows 100 connections by default: 100 threads and their scheduler want more.
_pool = ConnectionPool.from_url(os.environ["JQ_REDIS_URL"], max_connections=1000)
huey = RedisHuey("bench", connection_pool=_pool, results=False)


@huey.task()
def noop(index: int) -> None:
    """Say when it ran."""
    cells[index] = time.monotonic_ns()


@huey.task()
def nap(index: int) -> None:
    """Wait 10 or 30 ms."""
    time.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


_TASKS = {"noop": noop, "nap": nap}


def one(job: str, index: int) -> None:
    """Enqueue one job."""
    _TASKS[job](index)
