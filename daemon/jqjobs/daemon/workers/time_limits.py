"""Looks at running jobs from outside: a job that holds the GIL or swallows its exception is still caught.

too late ─▶ ask for stacks ─▶ a moment later: SIGSTOP, look again ─▶ same attempt: SIGKILL, "hung" or "cancelled"
                                                                 └▶ another one: SIGCONT, let it go on
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.link.board import Entry
from jqjobs.link.board_layout import Word
from jqjobs.link.stacks import read_stacks

#: faulthandler answers within 100 ms even with the GIL held; a process that is stopped or swapping does not.
_STACKS_S = 0.3
#: An idle loop turns at least every few seconds beyond its poll, also without Redis (whose time-out is 5 s).
_SILENT_S = 30.0


def enforce_time_limits(workers: Iterable[WorkerProcess], kill_after_s: float) -> None:
    """Take the next step with each worker whose job did not heed its exception: its time is up, or it is cancelled."""
    for worker in workers:
        if worker.killed_for:
            continue
        entry = _overdue(worker, kill_after_s)
        if entry is None:
            worker.stacks_asked_s = None  # what was asked for before, by USR1 say, shows another job
        elif worker.stacks_asked_s is None:
            worker.ask_for_stacks()
        elif time.monotonic() - worker.stacks_asked_s > _STACKS_S:
            _kill_if_still_at(worker, entry, kill_after_s)


def _kill_if_still_at(worker: WorkerProcess, entry: Entry, kill_after_s: float) -> None:
    worker.stacks_asked_s = None
    worker.send(signal.SIGSTOP)  # so that it cannot go on to another job between the look and the kill
    again = _overdue(worker, kill_after_s)
    if again is None or again.token != entry.token:
        worker.send(signal.SIGCONT)
        return
    limit_s = entry.timeout_ms / 1000
    worker.killed_as, worker.killed_for = "hung", f"ran longer than its time limit of {limit_s:g} s and was killed"
    if entry.cancelled_ms:
        worker.killed_as, worker.killed_for = "cancelled", "was cancelled, did not heed that, and was killed"
    worker.killed_at = entry.token
    worker.stacks = read_stacks(worker.board.path)
    worker.send(signal.SIGKILL)
    log.event("job.killed", level=log.WARNING, logger=log.JOBS, job=f"{entry.queue}/{entry.id}", name=entry.name,
              attempt=entry.attempt, reason=worker.killed_as, limit_s=limit_s)  # fmt: skip


def _overdue(worker: WorkerProcess, kill_after_s: float) -> Entry | None:
    now_ms = monotonic_ms()
    for entry in worker.board.running():
        if stop_plans.is_overdue(entry.timeout_ms, now_ms - entry.since_ms, round(kill_after_s * 1000)):
            return entry
        if entry.cancelled_ms and now_ms - entry.cancelled_ms > kill_after_s * 1000:
            return entry
    return None


class Silence:
    """Finds workers whose loop has stopped turning although they run no job, and kills them."""

    def __init__(self, poll_s: float) -> None:
        """``poll_s``: an idle loop may wait for twice that, jitter and all, before it turns."""
        self._silent_s = _SILENT_S + 2 * poll_s
        self._seen: dict[str, tuple[int, float]] = {}
        self._looked_s = time.monotonic()

    def look(self, workers: Iterable[WorkerProcess]) -> None:
        """Look at every worker; to be called at each turn of the main loop."""
        now_s = time.monotonic()
        if now_s - self._looked_s > _SILENT_S / 4:
            self._seen.clear()  # it was this daemon that stood still (SIGSTOP), so nobody's silence counts
        self._looked_s = now_s
        seen, self._seen = self._seen, {}
        for worker in workers:
            tick = worker.board.word(Word.TICK)
            known = seen.get(worker.id)
            # Before it is ready it loads the app, and its loop does not turn.
            is_idle = worker.state == "ready" and not worker.board.running()
            since_s = known[1] if known and known[0] == tick and is_idle else now_s
            self._seen[worker.id] = (tick, since_s)
            if now_s - since_s > self._silent_s:
                log.event("worker.silent", level=log.ERROR, worker=worker.id, pid=worker.pid)
                worker.send(signal.SIGKILL)
