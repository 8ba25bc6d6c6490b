"""What producers do: enqueue, and look at a job. Thread-safe; survives fork; connects on first use."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from jqjobs.config import working_directory
from jqjobs.embedded import is_embedded, socket_url
from jqjobs.errors import NotFound
from jqjobs.job import Enqueued, NewJob, State
from jqjobs.store import calls, inspect
from jqjobs.store.address import Address, parse_url
from jqjobs.store.calls import Call
from jqjobs.store.store import Store

if TYPE_CHECKING:
    from jqjobs.store.aio import AsyncStore

T = TypeVar("T")

#: `enqueue_many` sends this many jobs, or this many bytes, a round trip.
CHUNK_JOBS = 200
CHUNK_BYTES = 512 * 1024


_STATES = frozenset(state.value for state in State)


@dataclass(frozen=True, slots=True)
class JobHandle:
    """A job in the store. ``created`` is False when its id or coalescing key was there already."""

    id: str
    queue: str
    created: bool
    _client: Client = field(repr=False, compare=False)

    @property
    def ref(self) -> str:
        """``queue/id``, as `jqctl` takes it."""
        return f"{self.queue}/{self.id}"

    def state(self) -> State | None:
        """Return the state the job is in now, None when it is over and nothing of it is kept."""
        info = self._client.find(self.queue, self.id)
        return State(info.state) if info and info.state in _STATES else None

    def info(self) -> inspect.JobInfo:
        """Return all that is known of the job. Raises: NotFound when it is over and nothing of it is kept."""
        info = self._client.find(self.queue, self.id)
        if info is None:
            raise NotFound(f"there is no job {self.ref}", hint="a job that succeeded is removed unless it has keep=")
        return info


class Client:
    """Connections to one Redis for the threads and event loops of this process."""

    def __init__(self, find_url: Callable[[], str]) -> None:
        self._find_url = find_url
        self._found: Address | None = None
        self._idle: deque[Store] = deque()
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncStore] = WeakKeyDictionary()
        self._known: set[str] = set()

    @property
    def address(self) -> Address:
        """Where Redis is. Raises: ConfigError."""
        if self._found is None:
            url = self._find_url()
            self._found = parse_url(socket_url(url, working_directory()) if is_embedded(url) else url)
        return self._found

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Lend a connection that no other thread uses meanwhile."""
        try:
            store = self._idle.pop()  # deques are thread-safe at both ends
        except IndexError:
            store = Store(self.address, name="jqjobs-client")
        try:
            yield store
        finally:
            self._idle.append(store)

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    async def close_async(self) -> None:
        """Close the connections of the running event loop; call it before the loop ends."""
        store = self._loops.pop(asyncio.get_running_loop(), None)
        if store is not None:
            await store.close()

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[JobHandle]:
        """Store jobs of one queue, in order. Raises: StoreUnavailable, StoreFull, StoreError.

        When an error comes between two chunks, those before it are stored; sending the same ids again is safe.
        """
        done: list[JobHandle] = []
        if not jobs:
            return done
        with self.store() as store:
            self._introduce(queue, store)
            for chunk in chunks(jobs):
                done += self._handles(queue, store.run(calls.enqueue(queue, chunk)))
        return done

    async def enqueue_async(self, queue: str, jobs: Sequence[NewJob]) -> list[JobHandle]:
        """Do what `enqueue` does, from a coroutine."""
        store = self._async_store()
        if queue not in self._known:
            await store.run(calls.know([queue]))
            self._known.add(queue)
        done: list[JobHandle] = []
        for chunk in chunks(jobs):
            done += self._handles(queue, await store.run(calls.enqueue(queue, chunk)))
        return done

    def find(self, queue: str, job_id: str) -> inspect.JobInfo | None:
        """Return what is known of a job, None when there is no record of it."""
        return self.run(inspect.job_info(queue, job_id))

    def run(self, call: Call[T]) -> T:
        """Run a script call on any connection."""
        with self.store() as store:
            return store.run(call)

    def _introduce(self, queue: str, store: Store) -> None:
        if queue not in self._known:
            store.run(calls.know([queue]))
            self._known.add(queue)

    def _handles(self, queue: str, enqueued: Sequence[Enqueued]) -> list[JobHandle]:
        return [JobHandle(item.id, queue, item.created, self) for item in enqueued]

    def _async_store(self) -> AsyncStore:
        from jqjobs.store.aio import AsyncStore  # redis-py costs 240 ms; only async producers pay

        loop = asyncio.get_running_loop()
        store = self._loops.get(loop)
        if store is None:
            store = self._loops[loop] = AsyncStore(self.address)
        return store


def chunks(jobs: Sequence[NewJob]) -> Iterator[list[NewJob]]:
    """Cut jobs into portions of one round trip."""
    chunk: list[NewJob] = []
    size = 0
    for job in jobs:
        if chunk and (len(chunk) == CHUNK_JOBS or size + len(job.payload) > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(job)
        size += len(job.payload)
    if chunk:
        yield chunk
