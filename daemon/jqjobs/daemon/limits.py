"""Enforces time limits from outside: a job that holds the GIL or swallows the exception is still caught."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from jqjobs import log
from jqjobs.board import Entry
from jqjobs.clock import monotonic_ms
from jqjobs.daemon import pool
from jqjobs.daemon.spawn import WorkerProcess


def enforce_time_limits(workers: Iterable[WorkerProcess], kill_after_s: float) -> None:
    """Kill each worker whose job ran past its limit and did not heed the exception in it."""
    for worker in workers:
        entry = _overdue(worker, kill_after_s)
        if entry is None or worker.killed_for:
            continue
        worker.send(signal.SIGSTOP)  # so that it cannot go on to another job between the look and the kill
        again = _overdue(worker, kill_after_s)
        if again is not None and (again.id, again.attempt) == (entry.id, entry.attempt):
            limit_s = entry.timeout_ms / 1000
            worker.killed_for = f"ran longer than its time limit of {limit_s:g} s and was killed"
            worker.send(signal.SIGKILL)
            log.event("job.killed", level=30, job=f"{entry.queue}/{entry.id}", name=entry.name, limit_s=limit_s)
        else:
            worker.send(signal.SIGCONT)


def _overdue(worker: WorkerProcess, kill_after_s: float) -> Entry | None:
    now_ms = monotonic_ms()
    for entry in worker.board.running():
        limit = pool.time_limit(entry.timeout_ms, now_ms - entry.since_ms, round(kill_after_s * 1000))
        if limit is pool.Limit.KILL:
            return entry
    return None
