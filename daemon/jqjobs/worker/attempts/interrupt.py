"""Raises an exception inside the running job, and nowhere else.

A signal handler runs between two bytecodes of the main thread, whatever that is doing: a job, a trip to
Redis, the loop. Only a job may be torn out of its work, so the handler looks whether one is armed.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from jqjobs.errors import JobCancelled, JobInterrupted, JobTimeout
from jqjobs.jobs.records import TakenJob
from jqjobs.worker.attempts.async_work import AsyncWork

#: Sent by the monitor thread to its own process, or by a timer: a time limit has passed, or the job is cancelled.
TIME_LIMIT_SIGNAL = signal.SIGALRM
STOPPED = "the worker must stop now"
CANCELLED = "somebody has cancelled the job"


def late(job: TakenJob) -> str:
    """Return what a job is told whose time is up."""
    return f"the job ran longer than its time limit of {job.timeout_ms} ms"


class Interrupter:
    """Arms the running job. All methods but `time_out` and `cancel` belong to the main thread."""

    def __init__(self) -> None:
        self.armed: TakenJob | None = None
        self._timed_out: TakenJob | None = None
        self._cancelled: TakenJob | None = None
        self._must_stop = False
        self._async_work = AsyncWork()
        #: Whether this is a process that a job has forked.
        self.in_child = False

    def install(self) -> None:
        """Take over the signal that stands for a time limit, and notice forks."""
        signal.signal(TIME_LIMIT_SIGNAL, self._on_time_limit)
        os.register_at_fork(after_in_child=self._become_child)

    def _become_child(self) -> None:
        self.in_child = True

    def arm(self, job: TakenJob) -> None:
        """From now on the main thread runs this job. Raises: JobInterrupted when it should not begin any more."""
        self.armed = job
        if self._must_stop:
            self.armed = None
            raise JobInterrupted(STOPPED)

    def disarm(self) -> None:
        """The job is over."""
        self.armed = None

    def time_out(self, job: TakenJob) -> bool:
        """Raise JobTimeout in ``job``, if it runs; called from another thread. False: it was not running."""
        self._timed_out = job
        return self._interrupt(job)

    def cancel(self, job: TakenJob) -> bool:
        """Raise JobCancelled in ``job``, if it runs; called from another thread. False: it was not running."""
        self._cancelled = job
        return self._interrupt(job)

    def _interrupt(self, job: TakenJob) -> bool:
        if self.armed is not job:
            return False
        main = threading.main_thread().ident
        assert main is not None, "it runs"
        signal.pthread_kill(main, TIME_LIMIT_SIGNAL)  # which also ends a system call that the main thread waits in
        return True

    def stop_now(self) -> None:
        """Raise JobInterrupted in the running job, and in any that begins; called from a signal handler."""
        self._must_stop = True
        self._tear_out(JobInterrupted(STOPPED))

    def _on_time_limit(self, signum: int, frame: FrameType | None) -> None:
        if self.armed is None:
            return
        if self.armed is self._cancelled:
            self._tear_out(JobCancelled(CANCELLED))
        elif self.armed is self._timed_out:
            self._tear_out(JobTimeout(late(self.armed)))

    def _tear_out(self, reason: BaseException) -> None:
        if self.armed is None:
            return
        self.armed = None
        if not self._async_work.end(reason):
            raise reason

    @contextmanager
    def limited(self, work: TakenJob) -> Iterator[None]:
        """Run what is no job under the time limit of ``work``, which nobody else watches.

        Raises inside: JobTimeout; JobInterrupted when the worker must stop now, or even before it begins.
        """
        assert work.timeout_ms is not None
        self._timed_out = work
        self.arm(work)
        signal.setitimer(signal.ITIMER_REAL, work.timeout_ms / 1000)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.disarm()

    def run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine job in an event loop of its own; an interrupt cancels its task."""
        return self._async_work.run_alone(coroutine)
