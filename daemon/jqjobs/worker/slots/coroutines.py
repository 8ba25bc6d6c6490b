"""Runs coroutine functions, each job as a task of one event loop on a thread of its own; uvloop's, if there is one."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import TakenJob
from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.slots.threads import Turn

if TYPE_CHECKING:
    import asyncio

#: An event loop that does not turn for so long is blocked, and all its jobs wait. It is asked as often.
_BLOCKED_MS = 1000
_CLOSE_S = 1.0


@dataclass(slots=True)
class _Running:
    job: TakenJob
    work: AsyncWork
    task: asyncio.Task[None]


class Coroutines:
    """The event loop is made for the first job. `start` and `interrupt` are called from any thread."""

    def __init__(self, runner: Runner, turn: Turn) -> None:
        self._runner = runner
        self._turn = turn
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._context = contextvars.copy_context()
        self._running: dict[int, _Running] = {}
        self._is_closing = False
        self._asked_ms = self._answered_ms = 0
        self._said_blocked = False

    def start(self, jobs: Sequence[TakenJob]) -> None:
        """Run jobs, all at once."""
        if jobs:
            self._started_loop().call_soon_threadsafe(self._begin, jobs)

    def interrupt(self, job: TakenJob, reason: type[BaseException], text: str) -> bool:
        """Raise ``reason`` in a job, where it waits; False: it does not run here."""
        running = self._running.get(job.place)
        return running is not None and running.job is job and running.work.end(reason(text))

    def look_for_blocked(self) -> None:
        """Say it when a job blocks the event loop; called now and then from another thread."""
        if self._loop is None or not self._running:
            return
        now_ms = monotonic_ms()
        if not self._asked_ms and now_ms - self._answered_ms > _BLOCKED_MS:
            self._asked_ms = now_ms
            self._loop.call_soon_threadsafe(self._answer)
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

        task = current_task(self._loop)
        return next((each.job for each in list(self._running.values()) if each.task is task), None)

    def close(self) -> None:
        """End the event loop, and what jobs have left on it; a job that still runs dies with the process."""
        self._is_closing = True
        if self._loop is not None and self._thread is not None and not self._running:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CLOSE_S)

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = loop = _new_event_loop()
                self._thread = threading.Thread(target=self._serve, args=(loop,), name="jqjobs-async", daemon=True)
                self._thread.start()
            return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        from asyncio import set_event_loop

        set_event_loop(loop)
        while not self._is_closing:
            with contextlib.suppress(SystemExit, KeyboardInterrupt):  # raised by a task of a job, which hears it too
                loop.run_forever()
        _finish(loop)

    def _begin(self, jobs: Sequence[TakenJob]) -> None:
        for job in jobs:
            self._run_as_task(job)

    def _run_as_task(self, job: TakenJob) -> None:
        assert self._loop is not None
        work = AsyncWork()
        # In a context of its own: what one job sets, others do not see.
        task = self._loop.create_task(self._attempt(job, work), context=self._context.copy())
        self._running[job.place] = _Running(job, work, task)

    async def _attempt(self, job: TakenJob, work: AsyncWork) -> None:
        outcome = await self._runner.run_as_task(job, work)
        del self._running[job.place]
        following = self._turn(job, outcome)
        if following is not None:
            self._run_as_task(following)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from asyncio import new_event_loop

        return new_event_loop()
    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left, as `asyncio.run` does."""
    import asyncio

    left: set[asyncio.Task[Any]] = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    with contextlib.suppress(Exception):
        loop.run_until_complete(asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), _CLOSE_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
