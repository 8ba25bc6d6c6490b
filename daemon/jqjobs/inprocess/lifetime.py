"""The life of what stands in for a worker here: what an app does before its first job and after its last, and its loop.

Jobs that need what `on_worker_start` opens find it, in the event loop in which it was opened.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from jqjobs.api.app import App
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.life.life_hooks import LifeHooks


class Lifetime:
    """As a context: ends what it has begun. `begin` begins it, once; a life in which nothing ran is none."""

    def __init__(self, app: App) -> None:
        self._loop = asyncio.Runner()
        self.guard = Unwatched(self._run)
        self._hooks = LifeHooks(app.registry.app_hooks, self.guard)
        self._has_begun = False

    def begin(self) -> None:
        """Call the hooks of the start, unless that was done. Raises what one of them raises."""
        if not self._has_begun:
            self._hooks.start()
            self._has_begun = True

    def __enter__(self) -> Lifetime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:  # fmt: skip
        """Call the hooks of the end, and close the event loop."""
        if self._has_begun:
            self._hooks.stop()
        run_beside(self._loop.close)

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return run_beside(lambda: self._loop.run(coroutine, context=contextvars.copy_context()))


class Unwatched(Interrupter):
    """Lets a job run in whatever thread asks; nobody interrupts it."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        """``run``: runs a coroutine to its end."""
        super().__init__()
        self._run = run

    def call_limited(self, work: TakenJob, call: Callable[[], None], *, heeds_stop: bool = True) -> None:
        """Call without a limit."""
        call()

    def run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end."""
        return self._run(coroutine)


def run_alone(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, in an event loop of its own."""
    return run_beside(lambda: asyncio.run(coroutine))


def run_beside(call: Callable[[], Any]) -> Any:
    """Make a call that needs a thread without a running event loop: in another one where one runs in this."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return call()
    answers: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # raised again where it was asked for
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="jqjobs-coroutine")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]
