"""Processes that a job has started and left, because it was ended from outside: by its time limit, a cancel, a stop.

A coroutine that is cancelled while it waits for a process leaves that running, and whoever is interrupted in `wait`,
too. They end as they would with a killed worker. Only with one slot: of several jobs nobody can say whose they are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from jqjobs.base.process import children_since
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind

_ENDED_FROM_OUTSIDE = (Kind.HUNG, Kind.CANCELLED, Kind.INTERRUPTED)
#: What was killed is gone within milliseconds, unless the kernel holds it (a dead network file system).
_GONE_S, _LOOK_S = 1.0, 0.005


def end_leftovers(outcome: Outcome) -> None:
    """Kill what the job has started and left in the process group of its worker, and wait for it."""
    if outcome.kind not in _ENDED_FROM_OUTSIDE:
        return
    left = [pid for pid in children_since(outcome.job.started_ms) if pid not in _pool_processes()]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):  # somebody else has waited for it
            os.kill(pid, signal.SIGKILL)
    until_s = time.monotonic() + _GONE_S
    while left and time.monotonic() < until_s:
        time.sleep(_LOOK_S)  # whose thread waits for it already, asyncio's say, comes first
        left = [pid for pid in left if not _is_gone(pid)]


def _pool_processes() -> set[int | None]:
    """Return the processes of multiprocessing: a pool that a job has made may serve later ones."""
    if "multiprocessing" not in sys.modules:
        return set()
    from multiprocessing import active_children, forkserver, resource_tracker

    helpers = getattr(forkserver, "_forkserver", None), getattr(resource_tracker, "_resource_tracker", None)
    pids = (getattr(each, name, None) for each in helpers for name in ("_forkserver_pid", "_pid"))
    return {child.pid for child in active_children()} | set(pids)


def _is_gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
