"""The executor of ``--concurrency`` above one: threads for plain functions, an event loop for coroutine functions.

  main thread ── starts what may start, asks for memory, fetches, reports
jqjobs-slot-1 ── job ── next job ── …         together at most so many jobs at once
 jqjobs-async ── many jobs, as tasks ── …
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jqjobs.errors import JobCancelled, JobInterrupted, JobTimeout
from jqjobs.jobs import not_run
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.event_loop import LoopThread
from jqjobs.worker.attempts.reasons import CANCELLED, STOPPED, late
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.attempts.thread_interrupt import ThreadInterrupter
from jqjobs.worker.slots.coroutines import Coroutines
from jqjobs.worker.slots.dispatch import Dispatch
from jqjobs.worker.slots.executor import EndSignals
from jqjobs.worker.slots.job_log import JobLog
from jqjobs.worker.slots.job_statistics import JobStatistics
from jqjobs.worker.slots.threads import Threads
from jqjobs.worker.trips.batch import Batch


class Pool:
    """``count`` slots. `run`, `listen` and `close` belong to the main thread."""

    def __init__(
        self, count: int, batch: Batch, runner: Runner, interrupter: ThreadInterrupter, signals: EndSignals,
        refuse: Callable[[TakenJob], Outcome | None], event_loop: LoopThread, again_ms: float,
        job_log: JobLog, statistics: JobStatistics,
    ) -> None:  # fmt: skip
        """``refuse``: returns how a job ends for which there is no room in memory, None when there is.

        ``again_ms``: when a coroutine that goes on is cancelled once more.
        """
        self._batch = batch
        self._runner = runner
        self._interrupter = interrupter
        self._signals = signals
        self._refuse = refuse
        self._dispatch = Dispatch(count, batch, signals, job_log, statistics)
        self._threads = Threads(runner, interrupter, partial(self._turn, is_task=False))
        self._coroutines = Coroutines(runner, partial(self._turn, is_task=True), event_loop, again_ms)
        self._kinds: dict[str, bool] = {}

    def run(self, between: Callable[[], int], bring: Callable[[], bool] | None = None) -> tuple[int, float]:
        """Have the slots begin what is in hand; return at once how many jobs ended since last time, and their ms."""
        jobs = list(iter(self._dispatch.next, None))
        self._threads.start([job for job in jobs if not self._is_task(job)])
        self._coroutines.start([job for job in jobs if self._is_task(job)])
        self._admit()
        return self._dispatch.take_measure()

    def listen(self, low: int, *, for_outcomes: bool) -> None:
        """Have the main thread wake, once, when only ``low`` jobs are unstarted (-1: never), or when one has ended."""
        self._dispatch.listen(low, for_outcomes=for_outcomes)

    def close(self) -> None:
        """End the threads; one that hangs dies with the process."""
        self._threads.close()
        self._coroutines.close()

    def time_out(self, job: TakenJob) -> bool:
        """Raise JobTimeout in ``job``, if it runs; called from another thread. False: it was not running."""
        return self._interrupt(job, JobTimeout, late(job))

    def cancel(self, job: TakenJob) -> bool:
        """Raise JobCancelled in ``job``, if it runs; called from another thread. False: it was not running."""
        return self._interrupt(job, JobCancelled, CANCELLED)

    def stop(self, job: TakenJob) -> bool:
        """Raise JobInterrupted in ``job``, if it runs; called from another thread. False: it was not running."""
        return self._interrupt(job, JobInterrupted, STOPPED)

    def look_for_blocked(self) -> None:
        """Say what blocks the event loop; called from another thread."""
        self._coroutines.look_for_blocked()

    def _interrupt(self, job: TakenJob, reason: type[BaseException], text: str) -> bool:
        where = self._coroutines if self._is_task(job) else self._interrupter
        return where.interrupt(job, reason, text)

    def _is_task(self, job: TakenJob) -> bool:
        if job.name not in self._kinds:
            self._kinds[job.name] = self._runner.runs_as_task(job.name)
        return self._kinds[job.name]

    def _turn(self, job: TakenJob, outcome: Outcome | None, *, is_task: bool) -> TakenJob | None:
        """Note how a job ended; return the next one of its kind. One of the other kind is passed on."""
        self._dispatch.end(job, outcome)
        following = self._dispatch.next()
        while following is not None and self._is_task(following) is not is_task:
            self._begin(following)
            following = self._dispatch.next()
        self._dispatch.ring_if_awaited()
        return following

    def _begin(self, job: TakenJob) -> None:
        (self._coroutines if self._is_task(job) else self._threads).start([job])

    def _admit(self) -> None:
        """Ask for the memory of the jobs that say how much they need, one after the other."""
        while self._dispatch.asking:
            job = self._dispatch.asking.popleft()
            if self._signals.draining:
                self._dispatch.end(job, not_run.released(job))
            elif (outcome := self._refuse(job)) is not None:
                self._dispatch.end(job, outcome)
            else:
                self._begin(job)
