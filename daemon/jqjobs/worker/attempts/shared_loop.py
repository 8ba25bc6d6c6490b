"""What jobs can do to the event loop that they share, and whoever comes after them would meet there.

What the app sets when a worker starts is for all jobs; what a job sets is for itself. Nobody ends the loop or its
threads, and threads that a job has left are not wanting when the next one needs some.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


class SharedLoop:
    """The settings of one loop. All of it belongs to the thread of that loop, or is called while it stands still."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._close, self._give_threads = loop.close, loop.set_default_executor
        self._threads: ThreadPoolExecutor = _Threads()
        self.set_default_executor(self._threads)
        # Who calls these, of asyncio's loops and of uvloop's, finds what the object itself has first.
        for function in (self.set_default_executor, shutdown_default_executor, close):
            setattr(loop, function.__name__, function)
        self.keep()

    def keep(self) -> None:
        """Let all jobs find what is set by now."""
        self._is_debug = self.loop.get_debug()
        self._factory = self.loop.get_task_factory()
        self._handler = self.loop.get_exception_handler()
        self._threads = self._used_threads

    def put_right(self, *, is_idle: bool) -> None:
        """Make all as it was kept, for the next job. ``is_idle``: no other job runs."""
        loop = self.loop
        if loop.get_debug() is not self._is_debug:
            loop.set_debug(self._is_debug)
        if loop.get_task_factory() is not self._factory:
            loop.set_task_factory(self._factory)
        if loop.get_exception_handler() is not self._handler:
            loop.set_exception_handler(self._handler)
        if is_idle and isinstance(self._threads, _Threads) and self._threads.unfinished:
            self._threads.shutdown(wait=False)  # what it has in hand goes on
            self._threads = _Threads()
        if self._used_threads is not self._threads:
            self.set_default_executor(self._threads)

    def close(self) -> None:
        """End the loop."""
        self._close()

    def set_default_executor(self, executor: ThreadPoolExecutor) -> None:
        """Stands for the loop's own."""
        self._give_threads(executor)
        self._used_threads = executor


class _Threads(ThreadPoolExecutor):
    """Those of `asyncio.to_thread`, as many as asyncio has; it knows which calls are not over."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self.unfinished: set[Future[Any]] = set()

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a thread call something."""
        future = super().submit(call, *args, **kwargs)
        self.unfinished.add(future)
        future.add_done_callback(self.unfinished.discard)
        return future


async def shutdown_default_executor(timeout: float | None = None) -> None:
    """Stands for the loop's own: its threads serve the next job."""


def close() -> None:
    """Stands for the loop's own."""
    raise RuntimeError("this event loop serves all async jobs of the worker, which closes it at its end")
