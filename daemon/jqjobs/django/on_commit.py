"""An engine that stores jobs when a transaction is committed, and never when it is rolled back.

Used by `api.engine_choice` for jobs with ``on_commit``. If the process dies between the commit and the call to Redis,
or Redis is away by then, the job is not stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections, transaction

from jqjobs.api.engine import Engine
from jqjobs.jobs.records import Enqueued, NewJob
from jqjobs.store.call import Call
from jqjobs.store.calls.endings import Subscription

if TYPE_CHECKING:
    from jqjobs.store.async_subscriptions import AsyncSubscription

T = TypeVar("T")


class OnCommit:
    """Stands before an engine. ``alias``: of the database whose transaction counts."""

    def __init__(self, engine: Engine, alias: str) -> None:
        self._engine = engine
        self._alias = alias

    def now_ms(self) -> int:
        """Return the time, in ms since the epoch."""
        return self._engine.now_ms()

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Store jobs at the commit; at once where no transaction is open. Raises then what the engine raises."""
        if not is_in_transaction(self._alias):
            return self._engine.enqueue(queue, jobs)
        transaction.on_commit(partial(self._engine.enqueue, queue, list(jobs)), using=self._alias)
        return [Enqueued(job.id, None) for job in jobs]

    async def enqueue_async(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Do what `enqueue` does, from a coroutine: its transaction is that of the thread it was called from."""
        if await sync_to_async(is_in_transaction)(self._alias):
            return await sync_to_async(self.enqueue)(queue, jobs)
        return await self._engine.enqueue_async(queue, jobs)

    def run(self, call: Call[T]) -> T:
        """Run a script call."""
        return self._engine.run(call)

    async def run_async(self, call: Call[T]) -> T:
        """Do what `run` does, from a coroutine."""
        return await self._engine.run_async(call)

    def check_runs(self, what: str, state: str) -> None:
        """Raise ResultTimeout where nothing can end while somebody waits."""
        self._engine.check_runs(what, state)

    def subscribe(self, queue: str, job_id: str) -> AbstractContextManager[Subscription]:
        """Listen to the end of a job."""
        return self._engine.subscribe(queue, job_id)

    def subscribe_async(self, queue: str, job_id: str) -> AbstractAsyncContextManager[AsyncSubscription]:
        """Do what `subscribe` does, for a coroutine."""
        return self._engine.subscribe_async(queue, job_id)


def is_in_transaction(alias: str) -> bool:
    """Whether this thread has one open on that database, by `atomic` or by hand; connects to nothing."""
    connection = connections[alias]
    return connection.in_atomic_block or (connection.connection is not None and not connection.get_autocommit())
