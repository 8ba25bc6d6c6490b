"""What producers do: enqueue, and look at a job. Thread-safe; survives fork; connects on first use."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from jqjobs.api import handle, results
from jqjobs.base.clock import Duration
from jqjobs.base.config import working_directory
from jqjobs.embedded import is_embedded, socket_url
from jqjobs.errors import NotFound, ScriptMissing, StoreBusy, StoreUnavailable
from jqjobs.jobs.records import Enqueued, NewJob, State
from jqjobs.store.address import Address, parse_url
from jqjobs.store.call import Call
from jqjobs.store.calls import enqueueing, upkeep
from jqjobs.store.calls.cancels import CancelAnswer
from jqjobs.store.reads import jobs
from jqjobs.store.store import Store

if TYPE_CHECKING:
    from jqjobs.api.engine import Engine
    from jqjobs.store.aio import AsyncStore

T = TypeVar("T")

#: `enqueue_many` sends this many jobs, or this many bytes, a round trip.
CHUNK_JOBS = 200
CHUNK_BYTES = 512 * 1024


_STATES = frozenset(state.value for state in State)


@dataclass(slots=True, unsafe_hash=True)  # not frozen: that costs half a microsecond a job
class JobHandle:
    """A job in the store. ``created`` is False when its id or coalescing key was there already.

    ``replaced``: the job that had the key had not started, and is this call now.
    """

    id: str
    queue: str
    created: bool
    _client: Engine = field(repr=False, compare=False)
    replaced: bool = field(default=False, repr=False)

    @property
    def ref(self) -> str:
        """``queue/id``, as `jqctl` takes it."""
        return f"{self.queue}/{self.id}"

    def state(self) -> State | None:
        """Return the state the job is in now, None when it is over and nothing of it is kept."""
        info = self._client.find(self.queue, self.id)
        return State(info.state) if info and info.state in _STATES else None

    def info(self) -> jobs.JobInfo:
        """Return all that is known of the job. Raises: NotFound when it is over and nothing of it is kept."""
        info = self._client.find(self.queue, self.id)
        if info is None:
            raise NotFound(f"there is no job {self.ref}", hint=results.NOT_KEPT)
        return info

    def result(self, timeout: Duration | None = None) -> Any:
        """Wait until the job has ended and return what it returned, as JSON carried it.

        ``timeout``: None waits for ever. A success keeps its result only with ``keep=``.
        Raises: JobFailed when it is dead; NotFound when nothing of it is kept; ResultMissing when its result
        could not be stored; ResultTimeout; StoreError and its kinds.
        """
        return self._client.wait(self.queue, self.id, timeout)

    def cancel(self) -> CancelAnswer:
        """Cancel the job, for good: dead at once when it waits; when it runs, `JobCancelled` is raised in it.

        Returns "cancelled"; "cancelling": a worker holds it, and it is dead soon unless it succeeds first;
        "finished": it was dead or kept already. Raises: NotFound; StoreError and its kinds.
        """
        return handle.cancel(self._client, self.queue, self.id)

    def resolve(self, token: str | None = None, *, result: Any = None, error: str | None = None) -> str:
        """Answer for the job, which waits for a third party or will, see `wait_async`: with a result or an error.

        ``token``: what `wait_token` gave; it may be left out while the job waits. Returns "resolved", or "early":
        the attempt still runs, and has its answer as soon as it waits. An error is a failure, retried like one.
        Raises: NotFound; Conflict: it neither waits nor has recorded this token, or the token was used;
        InvalidOption, InvalidArguments (also PayloadTooLarge); StoreError and its kinds.
        """
        return handle.resolve(self._client, self.queue, self.id, token, result, error)

    def retry(self) -> None:
        """Send the dead job back to ready, with all its attempts before it again.

        Raises: NotFound; Conflict when it is not dead, or another job has its key; StoreError and its kinds.
        """
        handle.retry(self._client, self.queue, self.id)

    async def result_async(self, timeout: Duration | None = None) -> Any:
        """Do what `result` does, from a coroutine."""
        return await self._client.wait_async(self.queue, self.id, timeout)


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
        store = self._borrow()
        try:
            yield store
        finally:
            self._idle.append(store)

    def _borrow(self) -> Store:
        try:
            return self._idle.pop()  # deques are thread-safe at both ends
        except IndexError:
            return Store(self.address, name="jqjobs-client")

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

        When an error comes between two chunks, those before it are stored, and those on their way may be; sending
        the same ids again is safe.
        """
        if not jobs:
            return []
        store = self._borrow()  # `self.store()` would take 1.5 µs more
        try:
            if queue not in self._known:
                store.run(upkeep.add_queues([queue]))
                self._known.add(queue)
            if len(jobs) == 1:
                return self._enqueue_one(queue, jobs, store)
            return self._enqueue_many(queue, jobs, store)
        finally:
            self._idle.append(store)

    def _enqueue_one(self, queue: str, jobs: Sequence[NewJob], store: Store) -> list[JobHandle]:
        """Take the short way; that of every call where the connection is broken, or Redis has forgotten the script."""
        if store.wire.connected:
            try:
                reply = store.wire.call_packed(enqueueing.packed_enqueue(queue, jobs[0]))
                return self._handles(queue, enqueueing.enqueued(reply, jobs))
            except StoreBusy:
                raise
            except (ScriptMissing, StoreUnavailable):  # `Store.run` sends it again, once
                pass
        return self._handles(queue, store.run(enqueueing.enqueue(queue, jobs)))

    def _enqueue_many(self, queue: str, jobs: Sequence[NewJob], store: Store) -> list[JobHandle]:
        done: list[JobHandle] = []
        with closing(store.run_ahead(enqueueing.enqueue(queue, chunk) for chunk in chunks(jobs))) as answers:
            for enqueued in answers:
                done += self._handles(queue, enqueued)
        return done

    async def enqueue_async(self, queue: str, jobs: Sequence[NewJob]) -> list[JobHandle]:
        """Do what `enqueue` does, from a coroutine."""
        store = self.async_store()
        if queue not in self._known:
            await store.run(upkeep.add_queues([queue]))
            self._known.add(queue)
        done: list[JobHandle] = []
        for chunk in chunks(jobs):
            done += self._handles(queue, await store.run(enqueueing.enqueue(queue, chunk)))
        return done

    def find(self, queue: str, job_id: str) -> jobs.JobInfo | None:
        """Return what is known of a job, None when there is no record of it."""
        return self.run(jobs.job_info(queue, job_id))

    def wait(self, queue: str, job_id: str, timeout: Duration | None) -> Any:
        """Wait for the result of a job, see `JobHandle.result`."""
        return results.wait(self, queue, job_id, timeout)

    async def wait_async(self, queue: str, job_id: str, timeout: Duration | None) -> Any:
        """Do what `wait` does, from a coroutine."""
        return await results.wait_async(self, queue, job_id, timeout)

    def run(self, call: Call[T]) -> T:
        """Run a script call on any connection."""
        with self.store() as store:
            return store.run(call)

    async def run_async(self, call: Call[T]) -> T:
        """Run a script call from a coroutine."""
        return await self.async_store().run(call)

    def _handles(self, queue: str, enqueued: Sequence[Enqueued]) -> list[JobHandle]:
        return [JobHandle(item.id, queue, item.created, self, item.replaced) for item in enqueued]

    def async_store(self) -> AsyncStore:
        """Return the connections of the running event loop."""
        from jqjobs.store.aio import AsyncStore

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
