"""The app of the end-to-end tests: jobs that behave, and jobs that misbehave in each way a job can.

Every job notes its start and its end in a journal outside Redis, so tests need not believe what Redis says.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import itertools
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from jqjobs import App, current_job, wait_async
from jqjobs.base.clock import monotonic_ms

app = App()


def note(event: str) -> None:
    """Append one line to the journal: one write to an O_APPEND file, whole or not at all."""
    job = current_job()
    assert job is not None
    line = {
        "event": event, "name": job.name, "id": job.id, "queue": job.queue, "attempt": job.attempt,
        "pid": os.getpid(), "at_ms": monotonic_ms(),
    }  # fmt: skip
    journal = os.open(os.environ["JQ_TEST_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(journal, json.dumps(line).encode() + b"\n")
    finally:
        os.close(journal)


@app.job
def quick() -> int:
    note("start")
    return os.getpid()


_since_wake: list[str] = []


def _note_call(frame: FrameType, event: str, _: object) -> None:
    if event == "call":
        if frame.f_code.co_qualname == "TokenLine.read":
            _since_wake.clear()
        _since_wake.append(frame.f_code.co_qualname)


@app.job
def calls_since_wake() -> list[str]:
    """Return which functions of Python were called since the worker was woken; from the second time on."""
    calls = _since_wake.copy()
    sys.setprofile(_note_call)
    return calls


@app.job
def count_looked_at() -> tuple[int, int]:
    """Return how many objects the garbage collector looks at, and how many it passes over."""
    return len(gc.get_objects()), gc.get_freeze_count()


@app.job
def nap(seconds: float) -> int:
    note("start")
    time.sleep(seconds)
    note("end")
    return os.getpid()


@app.job
def hold(gate: str) -> int:
    """Run until the file ``gate`` or ``gate.<attempt>`` is there."""
    note("start")
    job = current_job()
    assert job is not None
    while not (Path(gate).exists() or Path(f"{gate}.{job.attempt}").exists()):
        time.sleep(0.01)
    note("end")
    return os.getpid()


@app.job
async def nap_async(seconds: float) -> None:
    note("start")
    await asyncio.sleep(seconds)
    note("end")


@app.job
def die_by_signal(number: int) -> None:
    note("start")
    os.kill(os.getpid(), number)
    time.sleep(60)


@app.job(max_crashes=1)
def kill_at_once() -> None:
    """Kill the worker before anything lets another of its threads come in between."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.job
def exit_at_once(code: int) -> None:
    note("start")
    os._exit(code)


@app.job
def segfault() -> None:
    note("start")
    ctypes.string_at(0)


@app.job(max_attempts=1)
def sys_exit() -> None:
    note("start")
    sys.exit(3)


@app.job(max_attempts=1)
def keyboard_interrupt() -> None:
    note("start")
    raise KeyboardInterrupt


@app.job(max_attempts=1)
async def sys_exit_async() -> None:
    note("start")
    sys.exit(3)


@app.job
def swallow(seconds: float) -> None:
    """Take no notice of any exception, as code with a bare ``except`` does."""
    note("start")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(BaseException):
            time.sleep(0.05)


@app.job
def hold_gil(seconds: float) -> int:
    """Stay inside one C call, which neither gives up the GIL nor looks at signals."""
    note("start")
    began = time.thread_time()  # processor time: on a busy machine it takes longer, never shorter
    all(itertools.repeat(True, 3_000_000))
    a_million_s = (time.thread_time() - began) / 3
    all(itertools.repeat(True, int(seconds / a_million_s * 1_000_000)))
    note("end")
    return os.getpid()


@app.job
def hold_gil_at_once(turns: int) -> int:
    """Hold the GIL from the start, in one C call: no other thread of the worker gets in between."""
    note("start")
    all(itertools.repeat(True, turns))
    note("end")
    return os.getpid()


@app.job(max_attempts=1)
def catastrophic_regex() -> None:
    note("start")
    re.match(r"(a+)+$", "a" * 64 + "b")


@app.job(max_attempts=1)
def spin() -> None:
    note("start")
    while True:
        pass


@app.job(max_attempts=2, backoff=0)
def hand_over(seconds: float, timeout: float = 3600) -> object:
    """Give the work to a third party, which finds the token in a file; come back after a while."""
    note("start")
    job = current_job()
    assert job is not None
    directory = Path(os.environ["JQ_TEST_JOURNAL"]).parent
    (directory / f"token-{job.id}-{job.attempt}.part").write_text(job.wait_token())
    (directory / f"token-{job.id}-{job.attempt}.part").rename(directory / f"token-{job.id}-{job.attempt}")
    time.sleep(seconds)
    note("end")
    return wait_async(timeout=timeout)
