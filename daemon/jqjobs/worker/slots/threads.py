"""Runs plain functions, each job on a thread. A thread is started when a job has to wait for one, and stays."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from jqjobs.base import log
from jqjobs.jobs import not_run
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.attempts.thread_interrupt import ThreadInterrupter

#: Where the system has no thread left, a job comes up again after this long, here or elsewhere.
_AGAIN_MS = 2000

#: Notes how a job ended, and returns the next one for the same thread, if there is one.
Turn = Callable[[TakenJob, Outcome | None], TakenJob | None]


class Threads:
    """Any thread may call `start`."""

    def __init__(self, runner: Runner, interrupter: ThreadInterrupter, turn: Turn) -> None:
        self._runner = runner
        self._interrupter = interrupter
        self._turn = turn
        self._lock = threading.Lock()
        self._inbox: SimpleQueue[TakenJob | None] = SimpleQueue()
        self._idle = 0
        self._count = 0

    def start(self, jobs: Sequence[TakenJob]) -> None:
        """Run jobs, each on a thread that is idle, or on a new one."""
        to_start = deque(jobs)
        while to_start:
            job = to_start.popleft()
            with self._lock:
                is_idle = self._idle > 0
                self._idle -= is_idle
                self._count += not is_idle
            if is_idle:
                self._inbox.put(job)
            elif not self._start_thread(job):
                following = self._turn(job, not_run.deferred(job, delay_ms=_AGAIN_MS))
                to_start.extend([following] if following else [])

    def _start_thread(self, job: TakenJob) -> bool:
        thread = threading.Thread(target=self._serve, args=(job,), name=f"jqjobs-slot-{self._count}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system is out of threads
            log.event("slot.not_started", level=log.ERROR, error=str(error))
            self._count -= 1
            return False
        return True

    def close(self) -> None:
        """Let idle threads come to their end."""
        for _ in range(self._count):
            self._inbox.put(None)

    def _serve(self, first: TakenJob) -> None:
        job: TakenJob | None = first
        while job is not None:
            job = self._turn(job, self._attempt(job))
            if job is None:
                with self._lock:
                    self._idle += 1
                job = self._inbox.get()

    def _attempt(self, job: TakenJob) -> Outcome | None:
        try:
            return self._runner.run(job)
        except BaseException as error:  # an interrupt that came when the job was over already
            self._interrupter.disarm()
            return self._runner.torn(job, error)
