"""Runs coroutine functions, each job as a task of the worker's event loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.event_loop import LoopThread
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.slots.threads import Turn

if TYPE_CHECKING:
    import asyncio

#: An event loop that does not turn for so long is blocked, and all its jobs wait. It is asked as often.
_BLOCKED_MS = 1000


@dataclass(slots=True)
class _Running:
    job: TakenJob
    work: AsyncWork
    task: asyncio.Task[None]


class Coroutines:
    """`start` and `interrupt` are called from any thread."""

    def __init__(self, runner: Runner, turn: Turn, event_loop: LoopThread, again_ms: float) -> None:
        """``again_ms``: when a job that goes on is cancelled once more."""
        self._runner = runner
        self._turn = turn
        self._event_loop = event_loop
        self._again_ms = again_ms
        self._running: dict[int, _Running] = {}
        self._asked_ms = self._answered_ms = 0
        self._said_blocked = False

    def start(self, jobs: Sequence[TakenJob]) -> None:
        """Run jobs, all at once."""
        if jobs:
            self._event_loop.call(self._begin, jobs)

    def interrupt(self, job: TakenJob, reason: type[BaseException], text: str) -> bool:
        """Raise ``reason`` in a job, where it waits; False: it does not run here."""
        running = self._running.get(job.place)
        return running is not None and running.job is job and running.work.end(reason(text))

    def look_for_blocked(self) -> None:
        """Say it when a job blocks the event loop; called now and then from another thread."""
        if not self._running:
            return
        now_ms = monotonic_ms()
        if not self._asked_ms and now_ms - self._answered_ms > _BLOCKED_MS:
            self._asked_ms = now_ms
            self._event_loop.call(self._answer)
        elif 0 < self._asked_ms < now_ms - _BLOCKED_MS and not self._said_blocked:
            self._said_blocked = True
            job = self._blocking()
            ref = f"{job.queue}/{job.id}" if job else None
            log.event("loop.blocked", level=log.WARNING, job=ref, name=job.name if job else None,
                      ms=now_ms - self._asked_ms, waiting=len(self._running),
                      hint="it keeps the other async jobs waiting")  # fmt: skip

    def _answer(self) -> None:
        self._asked_ms, self._answered_ms, self._said_blocked = 0, monotonic_ms(), False

    def _blocking(self) -> TakenJob | None:
        from asyncio import current_task

        task = current_task(self._event_loop.loop)
        return next((each.job for each in list(self._running.values()) if each.task is task), None)

    def close(self) -> None:
        """End the event loop, and what jobs have left on it; a job that still runs dies with the process."""
        if not self._running:
            self._event_loop.close()

    def _begin(self, jobs: Sequence[TakenJob]) -> None:
        for job in jobs:
            self._run_as_task(job)

    def _run_as_task(self, job: TakenJob) -> None:
        work = AsyncWork(self._again_ms)
        self._event_loop.put_right(is_idle=not self._running)
        # In an empty context of its own, as in `Runner.run`: what one job sets, others do not see.
        task = self._event_loop.started().create_task(self._attempt(job, work), context=Context())
        self._running[job.place] = _Running(job, work, task)

    async def _attempt(self, job: TakenJob, work: AsyncWork) -> None:
        try:
            outcome = await self._runner.run_as_task(job, work)
        except BaseException as error:  # what came when the job was over already
            outcome = self._runner.torn(job, error)
        del self._running[job.place]
        following = self._turn(job, outcome)
        if following is not None:
            self._run_as_task(following)
