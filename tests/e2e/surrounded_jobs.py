"""The app of test_surroundings.py: jobs that change what is around them, and jobs that look at what they find there."""

from __future__ import annotations

import asyncio
import contextlib
import decimal
import faulthandler
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from types import FrameType

import redis.asyncio

import jobs
from jobs import note
from jqjobs import App

app = App()
hold = app.job(jobs.hold.function)
quick = app.job(jobs.quick.function)
nap = app.job(max_attempts=1)(jobs.nap.function)

#: What apps make once, at module level. It belongs to the event loop that it is used in first.
client = redis.asyncio.Redis.from_url(os.environ.get("JQ_REDIS_URL", "redis://127.0.0.1:1"))
tenant: ContextVar[str] = ContextVar("tenant", default="")


@app.job(max_attempts=1)
async def ping_shared_client() -> int:
    assert await client.ping()
    return id(asyncio.get_running_loop())


@ping_shared_client.on_success
async def ping_after(job: object, result: object) -> None:
    assert await client.ping()
    note_hook()


def note_hook() -> None:
    with open(os.environ["JQ_TEST_JOURNAL"] + "-hooks", "a") as journal:
        journal.write(json.dumps(id(asyncio.get_running_loop())) + "\n")


@app.job(max_attempts=1)
def turn_a_loop(how: str) -> bool:
    """Return whether there was a current event loop, or one could be made; leave none, or one of no use."""
    if how == "run":
        asyncio.run(asyncio.sleep(0))
        return True
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        loop = asyncio.get_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    if how == "close":
        loop.close()
    return True


def _act_as(name: str) -> tuple[str, int]:
    """Return whom one found, and which precision; leave other ones."""
    found = tenant.get(), decimal.getcontext().prec
    tenant.set(name)
    decimal.getcontext().prec = 5
    return found


@app.job
def act_as(name: str) -> tuple[str, int]:
    return _act_as(name)


@app.job
async def act_as_async(name: str) -> tuple[str, int]:
    await asyncio.sleep(0)
    return _act_as(name)


# Ends that are swallowed


@app.job(max_attempts=1)
def skip_errors(seconds: float) -> str:
    """Go through many items, and log what goes wrong with each, as one does."""
    note("start")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(Exception):
            time.sleep(0.01)
    return "went through all of them"


@app.job(max_attempts=1)
def swallow_once(seconds: float) -> str:
    note("start")
    with contextlib.suppress(BaseException):
        time.sleep(seconds)
    note("swallowed")
    time.sleep(seconds)
    return "went on"


@app.job(max_attempts=1)
async def swallow_once_async(seconds: float) -> str:
    note("start")
    with contextlib.suppress(BaseException):
        await asyncio.sleep(seconds)
    note("swallowed")
    await asyncio.sleep(seconds)
    return "went on"


# Results that have not run


@app.job(max_attempts=1, keep="1h")
def give_generator() -> Iterator[int]:
    return (number for number in [1, 2])


@app.job(max_attempts=1, keep="1h")
async def give_coroutine() -> object:
    return asyncio.sleep(0)


@app.job(max_attempts=1, keep="1h")
async def give_async_generator() -> AsyncIterator[int]:
    async def numbers() -> AsyncIterator[int]:
        yield 1

    return numbers()


# Signals


def _exits(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _fails(number: int, frame: FrameType | None) -> None:
    raise LookupError("an alarm of another job")


#: What people do to signals.
WAYS: dict[str, Callable[[], object]] = {
    "exit": lambda: [signal.signal(number, _exits) for number in (signal.SIGTERM, signal.SIGINT)],
    "ignore": lambda: [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGQUIT)],
    "default": lambda: [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGUSR1)],
    "block": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()),
}
if way := os.environ.get("JQ_TEST_AT_IMPORT"):
    WAYS[way]()


@app.job
def touch_signals(way: str) -> None:
    WAYS[way]()


@app.job
def leave_alarm(seconds: float) -> None:
    signal.signal(signal.SIGALRM, _fails)
    signal.setitimer(signal.ITIMER_REAL, seconds)


#: What jobs leave behind that hurts later: calls that end the process, waits that fail, a place that is gone.
REMAINS: dict[str, Callable[[], object]] = {
    "pipe": lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
    "child": lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    "user signal": lambda: signal.signal(signal.SIGUSR2, _exits),
    "profiler": lambda: signal.setitimer(signal.ITIMER_PROF, 0.05),
    "virtual alarm": lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 0.05),
    "watchdog": lambda: faulthandler.dump_traceback_later(0.5, exit=True),
    "mask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGUSR2]),
    "memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (10**9, resource.RLIM_INFINITY)),
    "depth": lambda: sys.setrecursionlimit(100),
    "closed output": lambda: [sys.stdout.close(), sys.stderr.close()],
    "closed descriptors": lambda: [os.close(number) for number in (0, 1, 2)],
    "wrapped output": lambda: setattr(sys, "stdout", io.TextIOWrapper(sys.stdout.detach(), encoding="latin-1")),
    "caught output": lambda: setattr(sys, "stdout", io.StringIO()),
    "no output": lambda: [setattr(sys, name, None) for name in ("stdout", "stderr")],
    "directory": lambda: [os.chdir(place := tempfile.mkdtemp()), os.rmdir(place)],
}


@app.job(max_crashes=1)
def leave(what: str) -> list[object]:
    """Return what one finds, after a while in which the rest of others would come."""
    until = time.process_time() + 0.2
    while time.process_time() < until:
        sum(range(1000))
    time.sleep(0.6)
    print("printed by a job", flush=True)
    print("printed by a job", file=sys.stderr, flush=True)
    handlers = [signal.getsignal(number) for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGUSR2)]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    found: list[object] = [
        resource.getrlimit(resource.RLIMIT_AS)[0],
        sys.getrecursionlimit(),
        os.getpid(),
        os.getcwd(),
        *map(int, handlers),
        *map(int, mask),
    ]  # type: ignore[arg-type]
    if what:
        REMAINS[what]()
    return found


@app.job(max_attempts=1)
def hold_and_exit_at_term(gate: str) -> None:
    signal.signal(signal.SIGTERM, _exits)
    hold.function(gate)


# Descriptors, processes, text


@app.job
def use_up_descriptors(how: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if how == "soft limit":
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    elif how == "hard limit":
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, 1))
    else:
        with contextlib.suppress(OSError):
            left.extend(os.dup(0) for _ in range(soft))


left: list[int] = []


@app.job(max_attempts=1)
async def wait_for_process() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "3600")
    note("start")
    await process.wait()


@app.job(max_attempts=1)
def wait_for_process_plainly() -> None:
    process = subprocess.Popen(["sleep", "3600"])
    note("start")
    process.wait()


@app.job
def print_and_die(text: str) -> None:
    print(text)
    os.kill(os.getpid(), signal.SIGKILL)
