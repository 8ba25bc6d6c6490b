"""Which job a free slot of several starts next, and when the main thread must hear of it.

A slot takes its next job as soon as it is free, without the main thread. That one is only woken for what it must do:
fetch more, report, ask for memory.
"""

from __future__ import annotations

import threading
from collections import deque

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.slots.executor import EndSignals
from jqjobs.worker.slots.job_log import JobLog
from jqjobs.worker.slots.job_statistics import JobStatistics
from jqjobs.worker.trips.batch import Batch


class Dispatch:
    """Hands jobs to ``count`` slots. All but `listen` is called from any thread."""

    def __init__(
        self, count: int, batch: Batch, signals: EndSignals, job_log: JobLog, statistics: JobStatistics
    ) -> None:
        self.count = count
        self._batch = batch
        self._signals = signals
        self._job_log = job_log
        self._statistics = statistics
        self._lock = threading.Lock()
        self._listening = False
        self._low = -1
        self._for_outcomes = False
        self._ended = 0
        self._took_ms = 0.0
        #: Jobs that count as running and for which the main thread is to ask for room in memory first.
        self.asking: deque[TakenJob] = deque()

    def next(self) -> TakenJob | None:
        """Start the next job and return it; None when none may be started, or no slot is free."""
        with self._lock:
            while not self._signals.draining and self._batch.running_count < self.count:
                job = self._batch.start_next()
                if job is None:
                    return None
                if not job.memory_bytes:
                    return job
                self.asking.append(job)
                self._signals.wakeup.ring()
        return None

    def end(self, job: TakenJob, outcome: Outcome | None) -> None:
        """A job is over, and its slot free."""
        self._batch.finish(job, outcome)
        with self._lock:
            now_ms = monotonic_ms()
            self._ended += 1
            self._took_ms += now_ms - job.started_ms
            self._statistics.count(job, outcome, now_ms)
        if outcome is not None or self._job_log.has_successes:
            self._job_log.say(job, outcome)

    def take_measure(self) -> tuple[int, float]:
        """Return how many jobs have ended since the last call, and how long they took together, ms."""
        with self._lock:
            measure = self._ended, self._took_ms
            self._ended, self._took_ms = 0, 0.0
        return measure

    def listen(self, low: int, *, for_outcomes: bool) -> None:
        """Wake the main thread, once, when only ``low`` jobs are unstarted (-1: never), or when one has ended."""
        self._low, self._for_outcomes = low, for_outcomes
        self._listening = True

    def ring_if_awaited(self) -> None:
        """Wake the main thread if that is what it waits for; called after each job."""
        if self._listening and (self._for_outcomes or self._batch.unstarted_count <= self._low):
            self._listening = False
            self._signals.wakeup.ring()
