"""Raises an exception inside the running job, and nowhere else.

A signal handler runs between two bytecodes of the main thread, whatever that is doing: a job, a trip to
Redis, the loop. Only a job may be torn out of its work, so the handler looks whether one is armed.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Collection, Coroutine
from signal import ITIMER_REAL, SIGALRM, pthread_kill, setitimer, signal
from types import FrameType
from typing import TYPE_CHECKING, Any

from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import JobCancelled, JobInterrupted, JobTimeout
from jqjobs.jobs.hooks import Outside
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.event_loop import EventLoop, MainLoop
from jqjobs.worker.attempts.reasons import CANCELLED, STOPPED, is_heeded, late

if TYPE_CHECKING:
    import asyncio

#: Sent by the monitor thread to its own process, or by a timer: a time limit has passed, or the job is cancelled.
TIME_LIMIT_SIGNAL = SIGALRM
#: A limit of its own is said again so often, as the monitor does it for jobs.
_AGAIN_S = 0.1
#: Code between two jobs, or between a job and its end: nothing is raised there, and what was to be said comes again.
_BETWEEN = (__file__, *(os.path.join(os.path.dirname(__file__), name) for name in ("runner.py", "event_loop.py")))


class Interrupter:
    """Arms the running job. All methods but `time_out`, `cancel` and `stop` belong to the main thread."""

    def __init__(self, again_ms: float = math.inf) -> None:
        """``again_ms``: when a coroutine that goes on is cancelled once more."""
        self.armed: TakenJob | None = None
        #: Runs the coroutines of whatever runs in the main thread.
        self.event_loop: EventLoop = MainLoop()
        #: There is no other job that a plain function could hold up there.
        self.outside: Outside | None = None
        self._timed_out: TakenJob | None = None
        self._cancelled: TakenJob | None = None
        self._limited_until_ms = 0.0
        self._must_stop = False
        self._heeds_stop = True
        self._again_ms = again_ms
        self._async_work = AsyncWork(again_ms)
        #: What was told to tasks of an event loop that a plain job runs itself, and to which job.
        self._own_loop: tuple[TakenJob, AsyncWork] | None = None
        #: Whether this is a process that a job has forked.
        self.in_child = False

    def install(self) -> None:
        """Take over the signal that stands for a time limit, and notice forks."""
        signal(TIME_LIMIT_SIGNAL, self.on_time_limit)
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

    def stop(self, job: TakenJob) -> bool:
        """Raise JobInterrupted in ``job`` once more, if it runs; called from another thread, after `stop_now`."""
        return self._interrupt(job)

    def _interrupt(self, job: TakenJob) -> bool:
        if self.armed is not job:
            return False
        main = threading.main_thread().ident
        assert main is not None, "it runs"
        pthread_kill(main, TIME_LIMIT_SIGNAL)  # which also ends a system call that the main thread waits in
        return True

    def stop_now(self, frame: FrameType | None = None) -> None:
        """Raise JobInterrupted in the running job, and in any that begins; called from a signal handler."""
        self._must_stop = True
        if self.armed is not None and self._heeds_stop:
            self._tear_out(self.armed, JobInterrupted(STOPPED), frame)

    def on_time_limit(self, signum: int, frame: FrameType | None) -> None:
        """Tell the running job what there is to be told; the handler of `TIME_LIMIT_SIGNAL`."""
        job = self.armed
        if job is None:
            return
        if job is self._cancelled:
            self._tear_out(job, JobCancelled(CANCELLED), frame)
        elif self._must_stop and self._heeds_stop:
            self._tear_out(job, JobInterrupted(STOPPED), frame)
        elif self._limited_until_ms:  # the monitor may say meanwhile that a job is late which is over
            if monotonic_ms() >= self._limited_until_ms:
                self._tear_out(job, JobTimeout(late(job)), frame)
        elif job is self._timed_out:
            self._tear_out(job, JobTimeout(late(job)), frame)

    def _tear_out(self, job: TakenJob, reason: BaseException, frame: FrameType | None) -> None:
        """Raise ``reason`` unless the job is over, or heeds one already; in an event loop, whoever runs it, cancel."""
        if self._async_work.end(reason):
            return
        if is_heeded(sys.exception()) or (frame is not None and frame.f_code.co_filename in _BETWEEN):
            return
        if self._own_loop is None or self._own_loop[0] is not job:
            self._own_loop = job, AsyncWork(self._again_ms)
        if not self._own_loop[1].end(reason, _tasks_here()):
            raise reason

    def reason_for(self, job: TakenJob, error: BaseException) -> BaseException:
        """Return what a job has ended with: the reason for which its tasks were cancelled, if they were."""
        told = self._own_loop
        return error if told is None or told[0] is not job else told[1].reason_for(error)

    def call_limited(self, work: TakenJob, call: Callable[[], None], *, heeds_stop: bool = True) -> None:
        """Call what is no job under the time limit of ``work``, which nobody else watches.

        Raises what that raises; JobTimeout; if it ``heeds_stop`` JobInterrupted when the worker must stop now, or even
        before it begins.
        """
        assert work.timeout_ms is not None
        work.started_ms = monotonic_ms()
        self._heeds_stop, self._limited_until_ms = heeds_stop, work.started_ms + work.timeout_ms
        try:
            if heeds_stop:
                self.arm(work)
            self.armed = work
            setitimer(ITIMER_REAL, work.timeout_ms / 1000, _AGAIN_S)
            call()
        finally:
            setitimer(ITIMER_REAL, 0)
            self.disarm()
            self._heeds_stop, self._limited_until_ms = True, 0.0

    def run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the event loop of this worker; an interrupt cancels its task."""
        return self.event_loop.run(coroutine, self._async_work)


def _tasks_here() -> Collection[asyncio.Task[Any]]:
    """Return the tasks of the event loop that runs in this thread; none where there is no such loop."""
    if "asyncio" not in sys.modules:
        return ()
    import asyncio

    try:
        return asyncio.all_tasks()
    except RuntimeError:
        return ()
