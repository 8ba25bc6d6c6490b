"""The one event loop of a worker. It runs every coroutine from start to end of the worker, so that clients which an app
makes at module level work in all jobs; it is made for the first of them.

One slot: `MainLoop` turns in the main thread while a coroutine runs there, and stands still in between.
Several slots: `LoopThread` turns all the time, on a thread of its own; uvloop's loop, if there is one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.shared_loop import SharedLoop

if TYPE_CHECKING:
    import asyncio

#: What jobs have left on the loop may take so long to end, once the worker is done.
_CLOSE_S = 1.0


class EventLoop(Protocol):
    """Runs coroutines for others."""

    def run(self, coroutine: Coroutine[Any, Any, Any], work: AsyncWork) -> Any:
        """Run a coroutine to its end, as ``work``, in a task with the context of the caller."""
        ...

    def keep(self) -> None:
        """Let all jobs find the loop as it is set now; nothing runs on it."""
        ...

    def close(self) -> None:
        """Cancel what is left, and end the loop."""
        ...


class MainLoop:
    """For the main thread, where signal handlers run: they end ``work`` and never raise anything into the loop."""

    def __init__(self) -> None:
        self._shared: SharedLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any], work: AsyncWork) -> Any:
        """Turn until the coroutine is over; return what it returns."""
        from asyncio import CancelledError

        shared = self._opened()
        shared.put_right(is_idle=True)
        loop = shared.loop
        work.task = task = loop.create_task(coroutine)
        try:
            _turn_until_done(loop, task)
            return task.result()
        except CancelledError as cancelled:
            raise work.reason_for(cancelled) from None
        except BaseException as error:
            work.reason_for(error)  # stands behind it from now on
            if not task.done():  # a signal handler of the job's own has raised it; the next job is not to meet the task
                task.cancel()
                _turn_until_done(loop, task)
            raise
        finally:
            work.forget()
            del task  # it has the error, which has this frame

    def keep(self) -> None:
        """Let all jobs find the loop as it is set now."""
        if self._shared is not None:
            self._shared.keep()

    def close(self) -> None:
        """Cancel what is left; that is given up when it takes too long."""
        shared, self._shared = self._shared, None
        if shared is not None:
            thread = threading.Thread(target=_finish, args=(shared,), name="jqjobs-async", daemon=True)
            thread.start()
            thread.join(2 * _CLOSE_S)

    def _opened(self) -> SharedLoop:
        from asyncio import new_event_loop

        if self._shared is None:
            self._shared = SharedLoop(new_event_loop())
        return self._shared


class LoopThread:
    """For all other threads. The loop and its thread are there from the first call on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._shared: SharedLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop; None as long as nobody has called."""
        return None if self._shared is None else self._shared.loop

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Have the loop call a function, in the context of the caller."""
        self.started().call_soon_threadsafe(function, *args)

    def run(self, coroutine: Coroutine[Any, Any, Any], work: AsyncWork) -> Any:
        """Wait until the coroutine is over, and call what it hands out meanwhile; return what it returns.

        Not to be called by what the loop runs.
        """
        from asyncio import run_coroutine_threadsafe

        calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        before, work.hand_out = work.hand_out, calls.put
        self.call(self.put_right)
        future = run_coroutine_threadsafe(work.run(coroutine), self.started())
        future.add_done_callback(lambda _: calls.put(None))
        try:
            while (call := calls.get()) is not None:
                call()
            return future.result()
        finally:
            work.hand_out = before
            future.cancel()  # where the wait was ended, and not the coroutine
            del future  # it has the error, which has this frame

    def started(self) -> asyncio.AbstractEventLoop:
        """Return the loop, which turns."""
        with self._lock:
            if self._shared is None:
                self._shared = shared = SharedLoop(_fastest_loop())
                self._thread = threading.Thread(target=self._serve, args=(shared,), name="jqjobs-async", daemon=True)
                self._thread.start()
            return self._shared.loop

    def keep(self) -> None:
        """Let all jobs find the loop as it is set now."""
        if self._shared is not None:
            self._shared.keep()

    def put_right(self, *, is_idle: bool = False) -> None:
        """Let the next job find the loop as all do; called by the loop. ``is_idle``: no other one runs."""
        if self._shared is not None:
            self._shared.put_right(is_idle=is_idle)

    def close(self) -> None:
        """Cancel what is left; that is given up when it takes too long."""
        self._is_closing = True
        if self.loop is not None and self._thread is not None:
            with contextlib.suppress(RuntimeError):  # it is closed already
                self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(2 * _CLOSE_S)

    def _serve(self, shared: SharedLoop) -> None:
        from asyncio import set_event_loop

        set_event_loop(shared.loop)
        while not self._is_closing:
            with contextlib.suppress(SystemExit, KeyboardInterrupt):  # raised by a task of a job, which hears it too
                shared.loop.run_forever()
        _finish(shared)


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


def _finish(shared: SharedLoop) -> None:
    """Cancel what is left, as `asyncio.run` does."""
    import asyncio

    shared.put_right(is_idle=True)
    loop = shared.loop
    left: set[asyncio.Task[Any]] = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    with contextlib.suppress(Exception):
        loop.run_until_complete(asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), _CLOSE_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
    shared.close()
