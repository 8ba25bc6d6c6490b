"""One coroutine that others may end: its task is cancelled, and what it ends with is their reason."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio  # costs 40 ms and 4 MB; only workers with coroutines to run pay


class AsyncWork:
    """`run` belongs to the event loop, `end` to any thread, a signal handler included."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self._reason: BaseException | None = None

    def end(self, reason: BaseException) -> bool:
        """Raise ``reason`` where the coroutine waits; False: it does not run, or not any more."""
        task = self.task
        if task is None:
            return False
        self._reason = reason
        with contextlib.suppress(RuntimeError):  # its loop is closed by now
            task.get_loop().call_soon_threadsafe(self._cancel, task)
        return True

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        if task is self.task:
            task.cancel()

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return what the coroutine returns."""
        import asyncio

        self.task = asyncio.current_task()
        try:
            return await coroutine
        except asyncio.CancelledError as cancelled:
            if self._reason is not None:  # with the place in the job where it was cancelled
                raise self._reason.with_traceback(cancelled.__traceback__) from None
            raise
        finally:
            self.task = self._reason = None

    def run_alone(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run the coroutine in an event loop of its own, in the calling thread."""
        import asyncio

        return asyncio.run(self.run(coroutine))
