"""The engine for Redis: what producers send, from threads and coroutines, and the connections that carry it.

Thread-safe; survives fork; connects on first use.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from jqjobs.api.handle import handle_of
from jqjobs.api.loop_stores import LoopStores
from jqjobs.api.whereabouts import Whereabouts
from jqjobs.errors import NotReplicated, Repartitioned, ScriptMissing, StoreError, StoreUnavailable
from jqjobs.jobs.partitions import Partitions
from jqjobs.jobs.records import Enqueued, NewJob
from jqjobs.store import keys
from jqjobs.store.address import Address
from jqjobs.store.call import Call
from jqjobs.store.calls import enqueueing, upkeep
from jqjobs.store.calls.deliveries import Answer, delivered, undelivered
from jqjobs.store.calls.endings import Subscription, subscribe
from jqjobs.store.calls.partitions import word_of
from jqjobs.store.freshness import freshen
from jqjobs.store.login import Credentials
from jqjobs.store.patience import is_unsent, may_pass
from jqjobs.store.spreading import Spreading, chunks
from jqjobs.store.steps import run_steps, run_steps_async
from jqjobs.store.store import Store
from jqjobs.store.wire import pack

if TYPE_CHECKING:
    from jqjobs.store.aio import AsyncStore
    from jqjobs.store.async_subscriptions import AsyncSubscription

T = TypeVar("T")

#: A connection that was used so recently is not looked at: that would be a twentieth of a call.
_IN_USE_S = 0.001


class Client:
    """Connections to one Redis for the threads and event loops of this process."""

    def __init__(
        self, redis_url: str | None = None, prefix: str | None = None, credentials: Credentials | None = None
    ) -> None:
        """``redis_url``, ``prefix``, ``credentials``: as of `App`. None is looked at before the first call."""
        self._whereabouts = Whereabouts(redis_url, prefix, credentials)
        self._idle: deque[Store] = deque()
        self._loops = LoopStores(self._whereabouts)
        self._known: set[str] = set()
        self._partitions: dict[str, Partitions] = {}

    @property
    def address(self) -> Address:
        """Where Redis is. Raises: ConfigError."""
        return self._whereabouts.address

    def now_ms(self) -> int:
        """Return the time, in ms since the epoch."""
        return time.time_ns() // 1_000_000

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Lend a connection that no other thread uses meanwhile."""
        store = self._borrow()
        try:
            yield store
        finally:
            self._idle.append(store)

    def _borrow(self) -> Store:
        try:
            return self._idle.pop()  # deques are thread-safe at both ends
        except IndexError:
            address, timeout_s = self.address, self._whereabouts.timeout_s
            return Store(address, timeout_s=timeout_s, patience_s=timeout_s, name="jqjobs-client")

    def move_to(self, address: Address) -> None:
        """Go there from now on."""
        self.close()
        self._known.clear()
        self._partitions.clear()
        self._whereabouts.address = address

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    async def close_async(self) -> None:
        """Close the connections of the running event loop, as its end does where `asyncio.run` or its kin brings it."""
        await self._loops.close()

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Store jobs of one queue, in order. Raises: StoreUnavailable, StoreFull, StoreError.

        An error says which jobs are stored, which may be, and which were not sent. Nothing is sent twice: a job may
        have succeeded, and be gone, before its second coming.
        """
        if not jobs:
            return []
        if queue in self._partitions:
            return _spread(self, queue, jobs)
        store = self._borrow()  # `self.store()` would take 1.5 µs more
        try:
            until_s = None if queue in self._known else _add_queue(self, queue, jobs, store)
            if self._whereabouts.wait is not None:
                return _enqueue_replicated(self, queue, jobs, store, until_s)
            if len(jobs) == 1:
                return _enqueue_one(queue, jobs, store, until_s, self._whereabouts.timeout_s)
            return _enqueue_many(queue, jobs, store)
        except Repartitioned as refused:
            made = refused.made
        finally:
            self._idle.append(store)
        return _spread(self, queue, jobs, made)

    async def enqueue_async(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Do what `enqueue` does, from a coroutine."""
        if not jobs:
            return []
        store, until_s = self._loops.of_running_loop(), time.monotonic() + self._whereabouts.timeout_s
        if queue not in self._known:
            try:
                await store.run(upkeep.add_queues([queue]), until_s)
            except StoreError as error:
                raise undelivered(error, queue, jobs) from error
            self._known.add(queue)
        try:
            if queue not in self._partitions:
                return await _enqueue_async(self, queue, jobs, store, until_s)
            made: Sequence[Enqueued] = ()
        except Repartitioned as refused:
            made = refused.made
        spreading = Spreading(self._partitions, queue, jobs, self._whereabouts.wait, made)
        with _telling_handles(self, queue):
            return await run_steps_async(store.run, spreading.enqueue())

    def run(self, call: Call[T]) -> T:
        """Run a script call on any connection."""
        with self.store() as store:
            return store.run(call)

    async def run_async(self, call: Call[T]) -> T:
        """Run a script call from a coroutine."""
        return await self._loops.of_running_loop().run(call)

    def check_runs(self, what: str, state: str) -> None:
        """Raise nothing: workers run jobs."""

    def subscribe(self, queue: str, job_id: str) -> AbstractContextManager[Subscription]:
        """Listen to the end of a job, on a connection of its own."""
        return subscribe(self.address, keys.over(queue, job_id), self._whereabouts.timeout_s)

    def subscribe_async(self, queue: str, job_id: str) -> AbstractAsyncContextManager[AsyncSubscription]:
        """Do what `subscribe` does, for a coroutine."""
        return self._loops.of_running_loop().subscribe(keys.over(queue, job_id))


def _add_queue(client: Client, queue: str, jobs: Sequence[NewJob], store: Store) -> float:
    """Make a queue known; return when the time is over that this and the first job in it have together."""
    until_s = time.monotonic() + client._whereabouts.timeout_s
    try:
        store.run(upkeep.add_queues([queue]), until_s)
    except StoreError as error:
        raise undelivered(error, queue, jobs) from error
    client._known.add(queue)
    return until_s


def _spread(client: Client, queue: str, jobs: Sequence[NewJob], made: Sequence[Enqueued] = ()) -> list[Enqueued]:
    """Store jobs in the partitions of their queue; one that comes alone takes the short way."""
    known, wait = client._partitions.get(queue), client._whereabouts.wait
    with client.store() as store, _telling_handles(client, queue):
        if known and len(jobs) == 1 and wait is None and not known.former:
            try:
                place = known.place(word_of(jobs[0]))
                [one] = _enqueue_one(place, jobs, store, None, client._whereabouts.timeout_s)
                one.place = place
                return [one]
            except Repartitioned:
                client._partitions.pop(queue, None)  # another thread may have heard it too
        return run_steps(store.run, Spreading(client._partitions, queue, jobs, wait, made).enqueue())


def _enqueue_one(
    queue: str, jobs: Sequence[NewJob], store: Store, until_s: float | None, timeout_s: float
) -> list[Enqueued]:  # fmt: skip
    """Take the short way; that of every call where there is no connection, or Redis says that it did not run it."""
    freshen(store.wire, _IN_USE_S)
    try:
        if until_s is None and store.wire.connected:
            try:
                reply = store.wire.call_packed(enqueueing.packed_enqueue(store.address.prefix, queue, jobs[0]))
                return enqueueing.enqueued(reply, jobs)
            except StoreError as error:
                if error.unanswered or not isinstance(error, (ScriptMissing, StoreUnavailable)):
                    raise
        return store.run(enqueueing.enqueue(queue, jobs), until_s or store.wire.looked_s + timeout_s)
    except StoreError as error:
        raise undelivered(error, queue, jobs, [jobs], [error]) from error


async def _enqueue_async(
    client: Client, queue: str, jobs: Sequence[NewJob], store: AsyncStore, until_s: float
) -> list[Enqueued]:  # fmt: skip
    wait = client._whereabouts.wait
    if len(jobs) == 1 and wait is None and store.address.cluster is None:
        return await _enqueue_one_async(queue, jobs, store, until_s)
    portions, answers = list(chunks(jobs)), list[Answer]()
    for portion in portions:
        try:
            answers.append(await store.run(enqueueing.enqueue(queue, portion, wait), until_s if not answers else None))
        except StoreError as error:
            answers.append(error)
            break
    with _telling_handles(client, queue):
        return delivered(queue, jobs, portions, answers)


async def _enqueue_one_async(
    queue: str, jobs: Sequence[NewJob], store: AsyncStore, until_s: float
) -> list[Enqueued]:  # fmt: skip
    """Do what `_enqueue_one` does: the short way is one connection for all coroutines."""
    try:
        try:
            return enqueueing.enqueued(await _asked_along(queue, jobs, store, until_s), jobs)
        except StoreError as error:
            may_run = is_unsent(error) or may_pass(error, store.address)
            if error.unanswered or not may_run or time.monotonic() >= until_s:
                raise
        return await store.run(enqueueing.enqueue(queue, jobs), until_s)
    except StoreError as error:
        raise undelivered(error, queue, jobs, [jobs], [error]) from error


async def _asked_along(queue: str, jobs: Sequence[NewJob], store: AsyncStore, until_s: float) -> Any:
    prefix = store.address.prefix
    try:
        return await store.call_packed(enqueueing.packed_enqueue(prefix, queue, jobs[0]), until_s)
    except ScriptMissing:
        call = enqueueing.enqueue(queue, jobs)
        return await store.call_packed(pack(("EVAL", call.script.source, *call.command(prefix)[2:])), until_s)


def _enqueue_replicated(
    client: Client, queue: str, jobs: Sequence[NewJob], store: Store, until_s: float | None
) -> list[Enqueued]:
    """Send the next ones only when enough replicas have those before."""
    portions, answers = list(chunks(jobs)), list[Answer]()
    for portion in portions:
        try:
            answers.append(store.run(enqueueing.enqueue(queue, portion, client._whereabouts.wait), until_s))
        except StoreError as error:
            answers.append(error)
            break
        until_s = None
    with _telling_handles(client, queue):
        return delivered(queue, jobs, portions, answers)


@contextmanager
def _telling_handles(client: Client, queue: str) -> Iterator[None]:
    """Give NotReplicated the handles of what is stored."""
    try:
        yield
    except NotReplicated as error:
        error.handles = tuple([handle_of(made, queue, client) for made in error.made])
        raise


def _enqueue_many(queue: str, jobs: Sequence[NewJob], store: Store) -> list[Enqueued]:
    portions: list[list[NewJob]] = []

    def calls() -> Iterator[Call[list[Enqueued]]]:
        for portion in chunks(jobs):
            portions.append(portion)
            yield enqueueing.enqueue(queue, portion)

    with closing(store.run_ahead(calls())) as answers:
        return delivered(queue, jobs, portions, list(answers))
