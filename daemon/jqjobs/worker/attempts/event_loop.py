"""The one event loop of a worker. It runs every coroutine from start to end of the worker, so that clients which an app
makes at module level work in all jobs; it is made for the first of them.

One slot: `MainLoop` turns in the main thread while a coroutine runs there, and stands still in between.
Several slots: `LoopThread` turns all the time, on a thread of its own; uvloop's loop, if there is one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from jqjobs.worker.attempts.async_work import AsyncWork

if TYPE_CHECKING:
    import asyncio

#: What jobs have left on the loop may take so long to end, once the worker is done.
_CLOSE_S = 1.0


class EventLoop(Protocol):
    """Runs coroutines for others."""

    def run(self, coroutine: Coroutine[Any, Any, Any], work: AsyncWork) -> Any:
        """Run a coroutine to its end, as ``work``, in a task with the context of the caller."""
        ...

    def close(self) -> None:
        """Cancel what is left, and end the loop."""
        ...


class MainLoop:
    """For the main thread, where signal handlers run: they end ``work`` and never raise anything into the loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any], work: AsyncWork) -> Any:
        """Turn until the coroutine is over; return what it returns."""
        from asyncio import CancelledError

        loop = self._opened()
        work.task = task = loop.create_task(coroutine)
        try:
            _turn_until_done(loop, task)
            return task.result()
        except CancelledError as cancelled:
            raise work.reason_for(cancelled) from None
        except BaseException:
            if not task.done():  # a signal handler of the job's own has raised it; the next job is not to meet the task
                task.cancel()
                _turn_until_done(loop, task)
            raise
        finally:
            work.forget()

    def close(self) -> None:
        """Cancel what is left; that is given up when it takes too long."""
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            thread = threading.Thread(target=_finish, args=(loop,), name="jqjobs-async", daemon=True)
            thread.start()
            thread.join(2 * _CLOSE_S)

    def _opened(self) -> asyncio.AbstractEventLoop:
        from asyncio import new_event_loop

        if self._loop is None or self._loop.is_closed():  # jobs can get at it
            self._loop = new_event_loop()
        return self._loop


class LoopThread:
    """For all other threads. The loop and its thread are there from the first call on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        #: The loop; None as long as nobody has called.
        self.loop: asyncio.AbstractEventLoop | None = None

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Have the loop call a function, in the context of the caller."""
        self.started().call_soon_threadsafe(function, *args)

    def run(self, coroutine: Coroutine[Any, Any, Any], work: AsyncWork) -> Any:
        """Wait until the coroutine is over; return what it returns. Not to be called by what the loop runs."""
        from asyncio import run_coroutine_threadsafe

        future = run_coroutine_threadsafe(work.run(coroutine), self.started())
        try:
            return future.result()
        finally:
            future.cancel()  # where the wait was ended, and not the coroutine

    def started(self) -> asyncio.AbstractEventLoop:
        """Return the loop, which turns."""
        with self._lock:
            if self.loop is None:
                self.loop = _fastest_loop()
                self._thread = threading.Thread(target=self._serve, args=(self.loop,), name="jqjobs-async", daemon=True)
                self._thread.start()
            return self.loop

    def close(self) -> None:
        """Cancel what is left; that is given up when it takes too long."""
        self._is_closing = True
        if self.loop is not None and self._thread is not None:
            with contextlib.suppress(RuntimeError):  # it is closed already
                self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(2 * _CLOSE_S)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        from asyncio import set_event_loop

        set_event_loop(loop)
        while not self._is_closing:
            with contextlib.suppress(SystemExit, KeyboardInterrupt):  # raised by a task of a job, which hears it too
                loop.run_forever()
        _finish(loop)


def _turn_until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    task.add_done_callback(lambda _: loop.stop())
    while not task.done():  # whoever else stops the loop
        with contextlib.suppress(SystemExit, KeyboardInterrupt):  # of this task, or one that an earlier job has left
            loop.run_forever()


def _fastest_loop() -> asyncio.AbstractEventLoop:
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
