"""The app of our own measures."""

from __future__ import annotations

import asyncio
import time

import ledger
from jqjobs import App, Concurrency, RateLimit

app = App()
#: Queues of `nap`: one for each link, see slow_link.py.
LINKS = ("near", "far")
NAP_S = 0.005


@app.job(queue="bench")
def noop() -> None:
    """Do nothing."""


@app.job(queue="large")
def drop() -> None:
    """Do nothing, in a queue that is always long."""


@app.job(queue=LINKS[0])
def nap(index: int) -> None:
    """Wait 5 ms, and say when that was over."""
    time.sleep(NAP_S)
    ledger.attach()[index] = time.monotonic_ns()


@app.job(queue="bytes")
def take(text: str) -> None:
    """Take an argument."""


@app.job(queue="long")
def linger() -> None:
    """Keep a worker busy for a second."""
    time.sleep(1)


@app.job(queue="tenants", concurrency=Concurrency(1, key="{tenant}"))
def one_at_a_time(tenant: int) -> None:
    """Do nothing, for a tenant of whom one job runs at a time."""


@app.job(queue="tenants", rate_limit=RateLimit(100, seconds=60, key="{tenant}"))
def paced(tenant: int) -> None:
    """Do nothing, for a tenant whose jobs have a rate."""


@app.job
def mark(index: int) -> None:
    """Say when this began."""
    ledger.attach()[index] = time.monotonic_ns()


@app.job
def tarry() -> None:
    """Wait 10 ms."""
    time.sleep(ledger.NAP_S)


@app.job(queue="dozes")
async def doze() -> None:
    """Wait 30 ms."""
    await asyncio.sleep(0.03)


@app.job(queue="turns", group="{tenant}")
def turn(tenant: int) -> None:
    """Count up in the last cell, and note in that of the tenant how far this has come; of one worker only."""
    cells = ledger.attach()
    cells[len(cells) - 1] += 1
    cells[tenant] = cells[len(cells) - 1]
