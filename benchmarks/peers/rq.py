"""RQ: results are not kept (result_ttl=0), so a finished job leaves nothing."""
# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-unimported"

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from redis import Redis
from rq import Queue

import ledger

cells = ledger.attach()
queue = Queue("bench", connection=Redis.from_url(os.environ["JQ_REDIS_URL"]))


def noop(index: int) -> None:
    """Say when it ran."""
    cells[index] = time.monotonic_ns()


def nap(index: int) -> None:
    """Wait 10 or 30 ms."""
    time.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


def one(job: str, index: int) -> None:
    """Enqueue one job."""
    queue.enqueue(f"peers.rq.{job}", index, result_ttl=0)


def many(job: str, indexes: Iterable[int]) -> None:
    """Enqueue many jobs."""
    data = [Queue.prepare_data(f"peers.rq.{job}", args=(index,), result_ttl=0) for index in indexes]
    for at in range(0, len(data), 200):
        queue.enqueue_many(data[at : at + 200])
