"""The app of test_concurrency*.py: plain and ``async def`` twins of jobs that hold, spin, fork, exit, and speak."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jobs
from jobs import note
from jqjobs import App, Concurrency, RateLimit, current_job
from jqjobs.jobs.context import JobContext

app = App()
hold = app.job(jobs.hold.function)
app.job(jobs.swallow.function)
app.job(jobs.quick.function)


@app.job(max_attempts=1)
async def hold_async(gate: str) -> int:
    """Do what `hold` does, on the event loop."""
    note("start")
    while not Path(gate).exists():
        await asyncio.sleep(0.01)
    note("end")
    return threading.get_ident()


@app.job(max_attempts=1)
def spin() -> None:
    """Never come to an end, in Python, so that an exception is heard."""
    note("start")
    while True:
        time.sleep(0.001)


@app.job(max_attempts=1)
async def spin_async() -> None:
    note("start")
    await asyncio.sleep(3600)


@app.job(max_attempts=1)
async def block_loop(seconds: float) -> None:
    """Do what no coroutine should."""
    note("start")
    time.sleep(seconds)


@app.job(max_attempts=1)
def leave(how: str) -> None:
    if how == "exit":
        sys.exit(3)
    raise KeyboardInterrupt


@app.job(max_attempts=1)
async def leave_async(how: str) -> None:
    await asyncio.sleep(0)
    if how == "exit":
        sys.exit(3)
    raise KeyboardInterrupt


@app.job(max_attempts=1)
async def leave_in_task() -> str:
    """Have a task of one's own exit, which asyncio lets through to whoever runs the loop."""

    async def inner() -> None:
        sys.exit(3)

    results = await asyncio.gather(asyncio.create_task(inner()), return_exceptions=True)
    return type(results[0]).__name__


@app.job(max_attempts=1)
def fork() -> int:
    child = os.fork()
    if child == 0:
        sys.exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def plain_looking(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@app.job
@plain_looking
async def decorated(value: int) -> int:
    await asyncio.sleep(0.01)
    return value


def _me() -> str:
    job = current_job()
    assert job is not None
    return job.id


@app.job
def know_oneself(gate: str) -> list[str]:
    """Return whom three kinds of code take themselves for, while others run; say so in log and progress."""
    note("start")
    while not Path(gate).exists():
        time.sleep(0.01)
    logging.getLogger("app").warning("here is %s", _me())
    tell()
    return [_me()]


@app.job
async def know_oneself_async(gate: str) -> list[str]:
    note("start")
    while not Path(gate).exists():
        await asyncio.sleep(0.01)
    logging.getLogger("app").warning("here is %s", _me())
    tell()
    return [_me(), await asyncio.to_thread(_me), await asyncio.create_task(_me_later())]


async def _me_later() -> str:
    await asyncio.sleep(0)
    return _me()


def tell() -> None:
    job = current_job()
    assert job is not None
    job.progress(50, job.id)
    job.log(f"I am {job.id}")


@app.job(memory="300MB")
def large(gate: str) -> int:
    return int(hold.function(gate))


@app.job(memory="100TB")
def enormous() -> None:
    note("start")


@app.job(rate_limit=RateLimit(10, seconds=1))
def paced() -> None:
    note("start")


@app.job(concurrency=Concurrency(3))
def guarded(seconds: float) -> None:
    note("start")
    time.sleep(seconds)
    note("end")


@app.job(concurrency=Concurrency(3))
async def guarded_async(seconds: float) -> None:
    note("start")
    await asyncio.sleep(seconds)
    note("end")


@app.job(concurrency=Concurrency(3))
def guarded_hold(gate: str) -> int:
    return int(hold.function(gate))


@app.job
def with_hook(seconds: float) -> None:
    note("start")
    time.sleep(seconds)


@app.job
async def with_hook_async(seconds: float) -> None:
    note("start")
    await asyncio.sleep(seconds)


@with_hook_async.on_start
async def begun(job: JobContext) -> None:
    await asyncio.sleep(0)
    Path(os.environ["JQ_TEST_JOURNAL"]).with_name(f"begun-{job.id}").touch()


@with_hook.on_success
@with_hook_async.on_success
def told(job: JobContext, result: Any) -> None:
    Path(os.environ["JQ_TEST_JOURNAL"]).with_name(f"told-{job.id}").touch()
