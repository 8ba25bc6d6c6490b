"""One coroutine that others may end: its task is cancelled, and what it ends with is their reason."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Coroutine
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from jqjobs.base.clock import monotonic_ms
from jqjobs.worker.attempts.reasons import REASONS, led_to, put_behind

if TYPE_CHECKING:
    import asyncio  # costs 40 ms and 4 MB; only workers with coroutines to run pay
    from concurrent.futures import Future

#: Has a coroutine's task ended from now on, not what runs in the thread that calls this.
GoBack = Callable[["asyncio.Task[Any] | None"], None]


class AsyncWork:
    """`run` belongs to the event loop, `end` to any thread, a signal handler included.

    A cancel that comes while the task cleans up tears that, and nobody can see from outside whether it does. So it
    is cancelled once for each reason, and once more when it is told the same after ``again_ms``.
    """

    def __init__(self, again_ms: float = math.inf) -> None:
        self.task: asyncio.Task[Any] | None = None
        self._again_ms = again_ms
        self._reason: BaseException | None = None
        self._told_ms = 0.0
        #: Hands a call to the thread that waits for the coroutine, if there is one.
        self.hand_out: Callable[[Callable[[], None]], None] | None = None

    def end(self, reason: BaseException, others: Collection[asyncio.Task[Any]] = ()) -> bool:
        """Raise ``reason`` where the coroutine waits; False: it does not run, or not any more.

        ``others``: what to cancel if it does not.
        """
        tasks = (self.task,) if self.task is not None else tuple(others)
        cancel = self._cancel if self.task is not None else _cancel_it
        now_ms, is_news = monotonic_ms(), not isinstance(self._reason, type(reason))
        if tasks and (is_news or now_ms - self._told_ms >= self._again_ms):
            self._told_ms = now_ms if is_news else math.inf
            self._reason = reason
            for task in tasks:
                with contextlib.suppress(RuntimeError):  # its loop is closed by now
                    task.get_loop().call_soon_threadsafe(cancel, task)
        return bool(tasks)

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        if task is self.task:  # which may do something else by now
            task.cancel()

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return what the coroutine returns; in the task that calls this."""
        import asyncio

        self.task = asyncio.current_task()
        try:
            return await coroutine
        except asyncio.CancelledError as cancelled:
            raise self.reason_for(cancelled) from None
        except BaseException as error:
            self.reason_for(error)  # stands behind it from now on
            raise
        finally:
            self.forget()

    async def outside(self, go_back: GoBack, function: Callable[[], Any]) -> Any:
        """Return what a plain function returns. The thread that waits for the coroutine calls it, not the event loop.

        It gets a copy of the context of who awaits this, like what `asyncio.to_thread` calls. ``go_back``: called there
        with the task which is to be `task` again.
        """
        import asyncio
        from concurrent.futures import Future

        assert self.hand_out is not None, "a thread waits"
        future: Future[Any] = Future()
        self.hand_out(partial(copy_context().run, self._call, function, future, go_back))
        try:
            return await asyncio.wrap_future(future)
        finally:
            del future  # it has the error, which has this frame

    def _call(self, function: Callable[[], Any], future: Future[Any], go_back: GoBack) -> None:
        """Call a function in this thread, where it is ended like any plain job."""
        if not future.set_running_or_notify_cancel():
            return
        task, result, is_back = self.task, None, False
        error: BaseException | None = None
        try:
            self.task = None
            result = function()
        except BaseException as raised:
            error = raised
        while not is_back:
            try:
                self._hear(error)
                go_back(task)
                is_back = True
            except REASONS:  # has arrived in here, too late: once more
                continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(_awaitable(error))
        del task, error, future  # the first and the last have the error, which has this frame

    def _hear(self, error: BaseException | None) -> None:
        """Take note of what the function was told: the coroutine hears of it, nobody is to tear its cleaning up."""
        if error is not None and issubclass(type(error), REASONS):
            self._reason, self._told_ms = error, monotonic_ms()

    def reason_for(self, error: BaseException) -> BaseException:
        """Return what the coroutine has ended with, which has raised ``error``.

        Cancelled: what it was told, with the place where it waited. An error of its own that it raised when it was
        cancelled: that, and what it was told stands behind it.
        """
        reason = self._reason
        if reason is None:
            return error
        from asyncio import CancelledError  # loaded by who was cancelled

        if issubclass(type(error), CancelledError):
            return reason.with_traceback(error.__traceback__)
        with contextlib.suppress(BaseException):  # what an error has of its own may raise
            if led_to(error, CancelledError) and not led_to(error, type(reason)):
                put_behind(error, reason)
        return error

    def forget(self) -> None:
        """The coroutine is over."""
        self.task = self._reason = None


def _awaitable(error: BaseException) -> BaseException:
    """Return what to raise where somebody awaits a call: StopIteration would mean that it has returned."""
    if not issubclass(type(error), StopIteration):
        return error
    instead = RuntimeError("a function that a coroutine awaits raised StopIteration")
    instead.__cause__ = error
    return instead


def _cancel_it(task: asyncio.Task[Any]) -> None:
    task.cancel()
