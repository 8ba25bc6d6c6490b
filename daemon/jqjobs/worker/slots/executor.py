"""How jobs in hand are run: one after the other in the main thread, on threads, or on an event loop."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from jqjobs.base.clock import monotonic_ms
from jqjobs.base.wakeup import Wakeup
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.event_loop import EventLoop
from jqjobs.worker.attempts.leftovers import end_leftovers
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.slots.job_log import JobLog
from jqjobs.worker.slots.job_statistics import JobStatistics
from jqjobs.worker.trips.batch import Batch


class EndSignals(Protocol):
    """Whether this worker is to end, and how to wake its main thread. ``draining``: nothing more is begun."""

    draining: bool
    stopping: bool
    wakeup: Wakeup


class Surroundings(Protocol):
    """What a job may have changed around itself. ``touched``: whether it may have; ``is_spoilt``: for good."""

    touched: bool
    is_spoilt: bool

    @property
    def stdout(self) -> TextIO | None:
        """What jobs are to find as `sys.stdout`."""
        ...

    def put_right(self) -> None:
        """Make it as it was, for the next one."""
        ...


def _nothing() -> bool:
    return False


class Executor(Protocol):
    """Runs what is in the batch."""

    def run(self, between: Callable[[], int], bring: Callable[[], bool] = _nothing) -> tuple[int, float]:
        """Run what is in hand, or have others begin it; return how many ended since last time, and their ms.

        If the caller's thread runs them, calls ``between`` after the first one and whenever as many more have ended as
        it said last, one at least, and ``bring`` when there are none left: whether there are now.
        """
        ...

    def listen(self, low: int, *, for_outcomes: bool) -> None:
        """Have the main thread wake, once, when only ``low`` jobs are unstarted (-1: never), or when one has ended."""
        ...

    def close(self) -> None:
        """End what threads there are, and the event loop."""
        ...


class MainThread:
    """One slot: the calling thread. `run` returns when nothing is in hand, or nothing more may be started."""

    def __init__(
        self, batch: Batch, runner: Runner, signals: EndSignals, refuse: Callable[[TakenJob], Outcome | None],
        surroundings: Surroundings, event_loop: EventLoop, job_log: JobLog,
        statistics: JobStatistics,
    ) -> None:  # fmt: skip
        """``refuse``: returns how a job ends for which there is no room in memory, None when there is."""
        self._batch = batch
        self._runner = runner
        self._signals = signals
        self._refuse = refuse
        self._surroundings = surroundings
        self._event_loop = event_loop
        self._job_log = job_log
        self._statistics = statistics
        self._waited_ns = 0

    def run(self, between: Callable[[], int], bring: Callable[[], bool] = _nothing) -> tuple[int, float]:
        """Run what is in hand, and then what is brought."""
        began_ns, self._waited_ns = time.perf_counter_ns(), 0
        count = self._run_all(between, bring)
        if self._batch.unstarted_count:
            self._batch.give_back()
        return count, (time.perf_counter_ns() - began_ns - self._waited_ns) / 1e6

    def _run_all(self, between: Callable[[], int], bring: Callable[[], bool]) -> int:
        """Run one job after the other; return how many."""
        around, signals, last, outcome = self._surroundings, self._signals, None, None
        start_next, finish = self._batch.start_next, self._batch.finish
        run, note_end = self._runner.run, self._statistics.count
        count, pause_at, says_all, stdout = 0, 1, self._job_log.has_successes, around.stdout
        while not (signals.draining or around.is_spoilt):
            if (job := start_next()) is None:
                if last is not None:  # before it waits: Redis works meanwhile
                    note_end(last, outcome, monotonic_ms())
                if not self._has_come(bring):
                    return count
                last, pause_at = None, count + 1
                continue
            if last is not None:  # it has just ended: that spares a look at the clock
                note_end(last, outcome, job.started_ms)
            last = job
            outcome = (self._refuse(job) if job.memory_bytes else None) or run(job)
            if outcome is not None or around.touched or sys.stdout is not stdout:
                self._tidy_up(outcome)
            finish(job, outcome)
            if outcome is not None or says_all:
                self._job_log.say(job, outcome)
            count += 1
            if count == pause_at:
                pause_at += between()
        if last is not None:
            note_end(last, outcome, monotonic_ms())
        return count

    def _has_come(self, bring: Callable[[], bool]) -> bool:
        """Wait for what is to be brought, when nothing is left to run; whether it has come."""
        if self._batch.unstarted_count:
            return False
        asked_ns = time.perf_counter_ns()
        has_come = bring()
        self._waited_ns += time.perf_counter_ns() - asked_ns
        return has_come

    def _tidy_up(self, outcome: Outcome | None) -> None:
        if outcome is not None:
            end_leftovers(outcome)
        is_suspicious = outcome is not None and outcome.kind is Kind.FAILED
        if is_suspicious or self._surroundings.touched or sys.stdout is not self._surroundings.stdout:
            self._surroundings.put_right()

    def listen(self, low: int, *, for_outcomes: bool) -> None:
        """Nothing happens while the main thread waits."""

    def close(self) -> None:
        """End the event loop."""
        self._event_loop.close()
