"""Raises an exception inside a job that runs on a thread of its own, and nowhere else.

CPython raises it between two bytecodes of that thread (PyThreadState_SetAsyncExc). A thread that waits in C, for a
socket, a lock or `time.sleep`, hears it when it comes back; until then only the daemon's limit helps.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from jqjobs.errors import JobTimeout
from jqjobs.jobs.hooks import Outside
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.event_loop import EventLoop
from jqjobs.worker.attempts.reasons import REASONS, is_heeded, late

if TYPE_CHECKING:
    import asyncio

#: A limit that nobody else watches is said again so often.
_AGAIN_S = 0.1


@dataclass(slots=True)
class _Armed:
    """A job on its thread. ``was_told``: an exception was set there, and may be on its way."""

    job: TakenJob
    thread: int
    work: AsyncWork
    was_told: bool = False


class ThreadInterrupter:
    """The jobs that run on threads. `arm`, `disarm` and `run_async` belong to the thread of the job."""

    def __init__(self, has_forked: Callable[[], bool], event_loop: EventLoop, again_ms: float = math.inf) -> None:
        """``has_forked``: whether this is a process that a job has forked.

        ``event_loop``: runs the coroutines of jobs on threads. ``again_ms``: when one that goes on is cancelled again.
        """
        self._has_forked = has_forked
        self._event_loop = event_loop
        self._again_ms = again_ms
        self._lock = threading.Lock()
        self._armed: dict[int, _Armed] = {}

    @property
    def in_child(self) -> bool:
        """Whether this is a process that a job has forked."""
        return self._has_forked()

    def arm(self, job: TakenJob) -> None:
        """From now on this thread runs ``job``."""
        thread = threading.get_ident()
        with self._lock:
            self._armed[thread] = _Armed(job, thread, AsyncWork(self._again_ms))

    def disarm(self) -> None:
        """The job of this thread is over; an exception that is on its way does not arrive any more."""
        while not self.in_child:  # there the lock may be held by a thread that does not exist
            try:
                with self._lock:
                    armed = self._armed.pop(threading.get_ident(), None)
                    if armed is not None and armed.was_told:
                        _set_exception()(armed.thread, None)
                return
            except REASONS:  # it has arrived in here: once more, since none is set when the job is not armed
                continue

    def interrupt(self, job: TakenJob, reason: type[BaseException], text: str) -> bool:
        """Raise ``reason`` in a job, if it runs on a thread and does not heed one already; False: it does not run."""
        with self._lock:
            armed = next((armed for armed in self._armed.values() if armed.job is job), None)
            if armed is None:
                return False
            if not armed.work.end(reason(text)) and not is_heeded(_handled_on(armed.thread)):
                armed.was_told = True
                _set_exception()(armed.thread, _worded(reason, text))
            return True

    def call_limited(self, work: TakenJob, call: Callable[[], None], *, heeds_stop: bool = True) -> None:
        """Call what is no job, in this thread, under the limit of ``work``. Raises what that raises; JobTimeout."""
        over = threading.Event()
        threading.Thread(target=self._watch, args=(work, over), name="jqjobs-limit", daemon=True).start()
        self.arm(work)
        try:
            call()
        finally:
            self.disarm()
            over.set()

    def _watch(self, work: TakenJob, over: threading.Event) -> None:
        assert work.timeout_ms is not None
        wait_s = work.timeout_ms / 1000
        while not over.wait(wait_s):
            self.interrupt(work, JobTimeout, late(work))
            wait_s = _AGAIN_S

    def reason_for(self, job: TakenJob, error: BaseException) -> BaseException:
        """Return what a job has ended with."""
        return error

    def run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the event loop of this worker; an interrupt cancels its task."""
        return self._event_loop.run(coroutine, self._armed[threading.get_ident()].work)

    @property
    def outside(self) -> Outside:
        """How coroutines of the job of this thread have a plain function called here, not by the event loop."""
        return partial(self._armed[threading.get_ident()].work.outside, self._go_back)

    def _go_back(self, task: asyncio.Task[Any] | None) -> None:
        """From now on the task of this thread's coroutine is ended; an exception on its way does not arrive."""
        armed = self._armed[threading.get_ident()]
        if self.in_child:
            armed.work.task = task
            return
        with self._lock:
            armed.work.task = task
            if armed.was_told:
                armed.was_told = False
                _set_exception()(armed.thread, None)


def _handled_on(thread: int) -> BaseException | None:
    """Return the exception that a thread is handling."""
    handled: Any = sys._current_exceptions().get(thread)
    error: BaseException | None = handled[1] if isinstance(handled, tuple) else handled  # 3.11: type, error, traceback
    return error


def _worded(reason: type[BaseException], text: str) -> type[BaseException]:
    """Return a kind of ``reason`` that says ``text``: Python is given a class to raise, and makes the exception."""

    def say(self: BaseException, *_: object) -> None:
        reason.__init__(self, text)

    return type(reason.__name__, (reason,), {"__init__": say, "__module__": reason.__module__})


@cache
def _set_exception() -> Callable[[int, type[BaseException] | None], int]:
    """Return PyThreadState_SetAsyncExc(thread, class or NULL)."""
    import ctypes  # 2 MB that most workers do not need

    function = ctypes.pythonapi.PyThreadState_SetAsyncExc
    function.argtypes, function.restype = (ctypes.c_ulong, ctypes.py_object), ctypes.c_int

    def call(thread: int, kind: type[BaseException] | None) -> int:
        return int(function(thread, ctypes.py_object() if kind is None else kind))

    return call
