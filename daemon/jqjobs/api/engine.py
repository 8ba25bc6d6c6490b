"""What stands behind an app, its functions and its handles: it takes jobs, and answers calls about them.

`Client` is the engine for Redis; those that run or drop jobs in this process are in a higher room (`engine_choice`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

from jqjobs.jobs.records import Enqueued, NewJob
from jqjobs.store.call import Call
from jqjobs.store.calls.endings import Subscription

if TYPE_CHECKING:
    from jqjobs.store.async_subscriptions import AsyncSubscription  # brings redis-py, which only async producers need

T = TypeVar("T")


class Engine(Protocol):
    """Where calls go. Everything raises StoreError and its kinds."""

    def now_ms(self) -> int:
        """Return the time, in ms since the epoch."""
        ...

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Store jobs of one queue, in order."""
        ...

    async def enqueue_async(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Do what `enqueue` does, from a coroutine."""
        ...

    def run(self, call: Call[T]) -> T:
        """Run a script call."""
        ...

    async def run_async(self, call: Call[T]) -> T:
        """Do what `run` does, from a coroutine."""
        ...

    def check_runs(self, what: str, state: str) -> None:
        """Raise ResultTimeout where nothing can end while somebody waits. ``what``: is waited for, in words."""
        ...

    def subscribe(self, queue: str, job_id: str) -> AbstractContextManager[Subscription]:
        """Listen to the end of a job that somebody has asked about (`endings.job_end`).

        Raises: ResultTimeout at once where nothing can end meanwhile.
        """
        ...

    def subscribe_async(self, queue: str, job_id: str) -> AbstractAsyncContextManager[AsyncSubscription]:
        """Do what `subscribe` does, for a coroutine."""
        ...
