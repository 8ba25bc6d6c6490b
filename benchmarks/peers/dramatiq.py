"""Dramatiq on Redis with its default middleware (retries, time limits); no results."""
# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-unimported"

from __future__ import annotations

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

import ledger

cells = ledger.attach()
dramatiq.set_broker(RedisBroker(url=os.environ["JQ_REDIS_URL"]))


@dramatiq.actor
def noop(index: int) -> None:
    """Say when it ran."""
    cells[index] = time.monotonic_ns()


@dramatiq.actor
def nap(index: int) -> None:
    """Wait 10 or 30 ms."""
    time.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


_ACTORS = {"noop": noop, "nap": nap}


def one(job: str, index: int) -> None:
    """Enqueue one job."""
    _ACTORS[job].send(index)
