"""The engine behind calls that go through an outbox; handles ask it, and see a job that is still there.

``options(outbox=…)`` puts it before the engine of the app, with a transaction to write into. With JQ_ENGINE=database it
is the engine of the app: each call is a transaction of its own, and its process needs no Redis.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

from jqjobs.api.app import App
from jqjobs.api.client import Client
from jqjobs.api.engine import Engine
from jqjobs.errors import InvalidOption, StoreUnavailable
from jqjobs.jobs.envelopes import envelope_of
from jqjobs.jobs.records import Enqueued, NewJob
from jqjobs.outbox.databases import Database, DjangoDatabase
from jqjobs.outbox.outbox import outbox_of
from jqjobs.outbox.producing import Producer
from jqjobs.outbox.rows import Row, rows_of
from jqjobs.outbox.targets import Bring, NewRow, OwnTransaction, Target, target_of
from jqjobs.outbox.waiting_jobs import answer_of, job_of
from jqjobs.store.call import Call
from jqjobs.store.calls.relaying import bar

P = ParamSpec("P")
T = TypeVar("T")

#: Whoever waits for the end of a job that is in the outbox looks again so often.
_LOOK_S = 0.5


class OutboxEngine:
    """Writes calls into a transaction. ``engine``: knows what was brought to Redis."""

    def __init__(self, engine: Engine, target: Target) -> None:
        self._engine = engine
        self._target = target
        # With JQ_ENGINE=database producers leave Redis alone.
        self._bring = partial(_producer_of(engine).bring, engine) if isinstance(engine, Client) else None

    def now_ms(self) -> int:
        """Return the time, in ms since the epoch."""
        return self._engine.now_ms()

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Write jobs of one queue. Raises: OutboxMissing, PayloadTooLarge, and what the driver raises."""
        written = self._target.write(self._rows(queue, jobs), self._bring)
        if written is not None:
            cast(Any, written).close()
            raise InvalidOption("that connection is async", hint="await enqueue_async(…)")
        return [Enqueued(job.id, None) for job in jobs]

    async def enqueue_async(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Do what `enqueue` does, from a coroutine."""
        written = await _called(self._target, self._rows(queue, jobs), self._bring)
        if written is not None:
            await written
        return [Enqueued(job.id, None) for job in jobs]

    def _rows(self, queue: str, jobs: Sequence[NewJob]) -> list[NewRow]:
        now_ms = self.now_ms()
        return [(job.id, queue, envelope_of(job, now_ms)) for job in jobs]

    def run(self, call: Call[T]) -> T:
        """Run a script call; of a job that is in the outbox, answer for it."""
        database, row = self._waiting(call)
        if database is None or row is None:
            return self._engine.run(call)
        if call.script.name in ("cancel", "delete") and not self._withdraw(database, row):
            return self._engine.run(call)
        return cast(T, answer_of(call, row, self.now_ms()))

    async def run_async(self, call: Call[T]) -> T:
        """Do what `run` does, from a coroutine."""
        if self._target.database is not None and job_of(call):
            return await _beside(self._target, self.run, call)
        return await self._engine.run_async(call)

    def _waiting(self, call: Call[Any]) -> tuple[Database | None, Row | None]:
        database, asked = self._target.database, job_of(call)
        if database is None or asked is None:
            return None, None
        queue, job_id = asked
        return database, next((row for row in rows_of(database, [job_id]) if row.queue == queue), None)

    def _withdraw(self, database: Database, row: Row) -> bool:
        """Take a row out again; False: it was brought meanwhile, or is about to be."""
        database.run(database.dialect.delete(1), [row.seq])
        try:
            return self._engine.run(bar(row.queue, row.id))
        except StoreUnavailable:
            return True  # who has read it, and reaches Redis where we do not, brings it all the same

    def check_runs(self, what: str, state: str) -> None:
        """Raise ResultTimeout where nothing can end while somebody waits."""
        self._engine.check_runs(what, state)

    @contextmanager
    def subscribe(self, queue: str, job_id: str) -> Iterator[Any]:
        """Look again and again while the job is in the outbox, listen to its end otherwise."""
        if self._is_in_outbox(queue, job_id):
            yield _Looks()
            return
        with self._engine.subscribe(queue, job_id) as subscription:
            yield subscription

    @asynccontextmanager
    async def subscribe_async(self, queue: str, job_id: str) -> AsyncIterator[Any]:
        """Do what `subscribe` does, for a coroutine."""
        if await _beside(self._target, self._is_in_outbox, queue, job_id):
            yield _AsyncLooks()
            return
        async with self._engine.subscribe_async(queue, job_id) as subscription:
            yield subscription

    def _is_in_outbox(self, queue: str, job_id: str) -> bool:
        database = self._target.database
        return database is not None and any(row.queue == queue for row in rows_of(database, [job_id]))


class _Looks:
    def wait(self, timeout_s: float) -> None:
        time.sleep(min(timeout_s, _LOOK_S))


class _AsyncLooks:
    async def wait(self, timeout_s: float) -> None:
        await asyncio.sleep(min(timeout_s, _LOOK_S))


def transactional(engine: Engine, given: Any) -> Engine:
    """Return the engine of ``options(outbox=given)``. Raises: InvalidOption.

    One that has jobs in this process, as in tests, takes them itself; of Django's transactions at the commit.
    """
    if isinstance(engine, (Client, OutboxEngine)):
        return OutboxEngine(engine, target_of(given))
    if isinstance(given, str):
        from jqjobs.api.engine_choice import after_commit

        return after_commit(lambda: engine, given)()
    return engine


def database_engine(app: App) -> Engine:
    """Return the engine of JQ_ENGINE=database. Raises: ConfigError."""
    return OutboxEngine(app.client, OwnTransaction(outbox_of(app).database))


def _producer_of(client: Client) -> Producer:
    """Return the one of a client: what it knows of an outage holds for all calls."""
    return _producers.setdefault(client, Producer())


_producers: WeakKeyDictionary[Client, Producer] = WeakKeyDictionary()


async def _called(target: Target, rows: Sequence[NewRow], bring: Bring | None) -> Awaitable[None] | None:
    if isinstance(target, OwnTransaction) or isinstance(target.database, DjangoDatabase):
        return await _beside(target, target.write, rows, bring)
    return target.write(rows, bring)


async def _beside(target: Target, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what waits for a database, while the event loop goes on; Django's connection is that of its own thread."""
    if isinstance(target.database, DjangoDatabase):
        from asgiref.sync import sync_to_async

        return await sync_to_async(do)(*args, **kwargs)
    return await asyncio.to_thread(do, *args, **kwargs)
