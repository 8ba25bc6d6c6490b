"""jqjobs, as the peers are measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import ledger
from jqjobs import App

app = App()
cells = ledger.attach()


@app.job(queue="bench")
def noop(index: int) -> None:
    """Say when it ran."""
    cells[index] = time.monotonic_ns()


@app.job(queue="naps")
async def nap(index: int) -> None:
    """Wait 10 or 30 ms on the event loop."""
    await asyncio.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


@app.job(queue="sync-naps")
def nap_sync(index: int) -> None:
    """Wait 10 or 30 ms in a thread."""
    time.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


_JOBS = {job.name: job for job in (noop, nap, nap_sync)}


def one(job: str, index: int) -> None:
    """Enqueue one job."""
    _JOBS[job].enqueue(index)


def many(job: str, indexes: Iterable[int]) -> None:
    """Enqueue many jobs."""
    _JOBS[job].enqueue_many([(index,) for index in indexes])
