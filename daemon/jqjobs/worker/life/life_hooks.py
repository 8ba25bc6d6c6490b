"""Calls what an app registers for the life of its workers: in the main thread, coroutines in the event loop of jobs.

Those of the start belong to loading the app: what one raises, the app does not load. Those of the end have a limit
each, and what one raises is logged; whoever crashes calls none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from functools import partial
from types import CoroutineType
from typing import Any

from jqjobs.base import log
from jqjobs.errors import JobTimeout
from jqjobs.jobs.app_hooks import AppHooks
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.hook_calls import HOOK_LIMIT_MS
from jqjobs.worker.attempts.interrupt import Interrupter


class LifeHooks:
    """Both are called once: `start` before the first job, `stop` after the last, while the event loop is there."""

    def __init__(self, hooks: AppHooks, interrupter: Interrupter) -> None:
        self._hooks = hooks
        self._interrupter = interrupter

    def start(self) -> None:
        """Call those of the start; jobs find the event loop as these leave it. Raises what one of them raises."""
        for function in self._hooks.on_worker_start:
            Context().run(self._call, function)
            self._interrupter.event_loop.keep()

    def stop(self) -> None:
        """Call those of the end, the last one first."""
        for function in reversed(self._hooks.on_worker_stop):
            work = TakenJob("", "", 0, "on_worker_stop", b"", timeout_ms=HOOK_LIMIT_MS)
            limited = partial(self._interrupter.call_limited, work, partial(self._call, function), heeds_stop=False)
            try:
                Context().run(limited)
            except JobTimeout as error:
                log.event("hook.ended", level=log.ERROR, hook="on_worker_stop", error=str(error))
            except BaseException:  # SystemExit included: a hook ends nothing but itself
                log.event("hook.failed", level=log.ERROR, exc_info=True, hook="on_worker_stop")

    def _call(self, function: Callable[[], Any]) -> None:
        result = function()
        if isinstance(result, CoroutineType):
            self._interrupter.run_async(result)
