"""A pool of slots on a real board, with an app of which jobs are made; no Redis, no daemon."""

from __future__ import annotations

import asyncio
import random
import threading
from types import SimpleNamespace
from typing import Any

from jqjobs import App, current_job
from jqjobs.jobs import not_run
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.store.call import Call
from jqjobs.worker.attempts.event_loop import LoopThread
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.attempts.thread_interrupt import ThreadInterrupter
from jqjobs.worker.slots.job_log import JobLog
from jqjobs.worker.slots.job_statistics import JobStatistics
from jqjobs.worker.slots.pool import Pool
from jqjobs.worker.trips.batch import Batch
from waiting import eventually


class Bell:
    """Counts how often the main thread was woken."""

    def __init__(self) -> None:
        self.rung = 0

    def ring(self) -> None:
        self.rung += 1


class StubSignals:
    """What slots see of the worker's signals."""

    def __init__(self) -> None:
        self.draining = False
        self.wakeup = Bell()


class Bench:
    """A pool of four slots, and an app of which jobs are made."""

    def __init__(self, board: WorkerBoard, slots: int = 4, log_jobs_ms: int = -1) -> None:
        self.app = App(redis_url="redis://127.0.0.1:1")
        self.signals = StubSignals()
        self.bell = self.signals.wakeup
        self.batch = Batch(board)
        #: For how long each job that needs memory is deferred; None: not at all.
        self.refusals: list[int | None] = []
        self.job_log = JobLog(log_jobs_ms)
        self.counted: list[Call[int]] = []
        self.statistics = JobStatistics(
            SimpleNamespace(clock_offset_ms=0), list, self.counted.append, random.Random(1)  # type: ignore[arg-type]
        )  # fmt: skip
        event_loop = LoopThread()
        interrupter = ThreadInterrupter(lambda: False, event_loop)
        self.runner = Runner(self.app, "w", interrupter, random.Random(1))
        self.pool = Pool(
            slots, self.batch, self.runner, interrupter, self.signals, self.refuse, event_loop, 1000, self.job_log,  # type: ignore[arg-type]
            self.statistics,
        )  # fmt: skip
        self.gate = threading.Event()
        self.running: list[str] = []
        self.most = 0
        self._count = 0
        self._lock = threading.Lock()

    def refuse(self, job: TakenJob) -> Outcome | None:
        delay_ms = self.refusals.pop(0)
        return None if delay_ms is None else not_run.deferred(job, delay_ms=delay_ms)

    def begin(self) -> None:
        job = current_job()
        assert job is not None
        with self._lock:
            self.running.append(job.id)
            self.most = max(self.most, len(self.running))

    def end(self) -> None:
        job = current_job()
        assert job is not None
        with self._lock:
            self.running.remove(job.id)

    def hold(self) -> None:
        self.begin()
        assert self.gate.wait(30)
        self.end()

    async def hold_async(self) -> None:
        self.begin()
        while not self.gate.is_set():
            await asyncio.sleep(0.001)
        self.end()

    def send(self, *names: str, **fields: Any) -> list[TakenJob]:
        """Have jobs in hand, and let the slots begin."""
        made = [TakenJob("q", f"{name}-{self._count + n}", 1, name, b"{}", **fields) for n, name in enumerate(names)]
        self._count += len(names)
        self.batch.add(made)
        self.pool.run(lambda: None)
        return made

    def wait_for_running(self, count: int) -> None:
        eventually(lambda: len(self.running) == count, 20, f"{count} jobs run")

    def outcomes(self, count: int) -> dict[str, str]:
        """Wait until so many jobs have ended; return how, by id."""
        found: dict[str, str] = {}

        def all_ended() -> bool:
            report = self.batch.reports.take()
            found.update({job.id: "done" for job in report.done})
            for outcome in report.outcomes:
                assert outcome.job.id not in found
                found[outcome.job.id] = outcome.kind
            self.batch.reports.recorded(report)
            return len(found) >= count

        eventually(all_ended, 30, f"{count} outcomes")
        return found
