"""The app of test_blame*.py: pills that take their worker, its daemon or its host along, and what runs beside them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import jobs
from jobs import note
from jqjobs import App, current_job

app = App()
app.job(jobs.hold.function)
app.job(jobs.quick.function)
app.job(jobs.nap_async.function)
app.job(jobs.die_by_signal.function)


@app.job
async def bystander(seconds: float, deaths: int = 1) -> None:
    """Stand by until what runs it has died so often; take a while each time after that."""
    note("start")
    await asyncio.sleep(3600 if _attempt() <= deaths else seconds)
    note("end")


@app.job
def pill(gate: str, takes_daemon: bool = False) -> None:
    """Kill what runs it as soon as the gate is open, and whoever begins together with it has begun."""
    note("start")
    while not Path(gate).exists():
        time.sleep(0.01)
    time.sleep(0.2)
    if takes_daemon:
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _attempt() -> int:
    job = current_job()
    assert job is not None
    return job.attempt
