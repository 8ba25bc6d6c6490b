"""Batches: jobs that are waited for together, in whichever queues they are.

with app.batch("import-7", then=report.call(7), always=unlock.call(7)) as batch:
    batch.add_many(import_row, rows)      # closed when the block ends; `then` comes when all have succeeded
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from jqjobs.api.both_ways import both_ways
from jqjobs.api.calls import Calls, JobCall
from jqjobs.api.engine import Engine
from jqjobs.api.function import Job
from jqjobs.api.handle import JobHandle, handle_of
from jqjobs.api.results import value_of
from jqjobs.api.steps import new_job
from jqjobs.base.clock import Duration, duration_ms, format_age
from jqjobs.errors import Conflict, NotFound, ResultTimeout, StoreError
from jqjobs.jobs.flow import BatchState, BatchStatus, Flow, batch_ref
from jqjobs.jobs.records import Enqueued, NewJob
from jqjobs.store.calls import batches
from jqjobs.store.calls.batches import Closed, MembersPage
from jqjobs.store.calls.endings import Ending, JobEnd, job_end
from jqjobs.store.steps import Steps, run_steps, run_steps_async

#: Until somebody who waits looks again, s; each time twice as long, at most the last.
_LOOK_S, _MOST_LOOK_S = 0.05, 1.0
_GOES_ON = (BatchState.OPEN, BatchState.RUNNING)


@dataclass(slots=True)
class Batch:
    """A batch in the store. ``added``: members that this object has added, which count when it is closed.

    Everything raises StoreError and its kinds.
    """

    queue: str
    id: str
    _engine: Engine = field(repr=False, compare=False)
    #: Whether a member adds: the batch may be closed already, and who closes it does not know of these.
    is_inside: bool = field(default=False, repr=False, compare=False)
    added: int = field(default=0, repr=False, compare=False)

    @property
    def ref(self) -> str:
        """``queue/id``, as `App.batch_at` and `jqctl batch` take it."""
        return f"{self.queue}/{self.id}"

    def add(self, call: JobCall) -> JobHandle:
        """Store a call as a member, in the queue of its job; none is added where its key stands for another job.

        Raises: what `Job.enqueue` does.
        """
        return self._add(call.job.queue, [new_job(call)])[0]

    async def add_async(self, call: JobCall) -> JobHandle:
        """Do what `add` does, from a coroutine."""
        return (await self._add_async(call.job.queue, [new_job(call)]))[0]

    def add_many(self, job: Calls[...], calls: Iterable[Sequence[Any] | JobCall]) -> list[JobHandle]:
        """Store many calls of a job as members; ``calls``: as `Job.enqueue_many` takes them."""
        return self._add(job.queue, job._many(calls))

    async def add_many_async(self, job: Calls[...], calls: Iterable[Sequence[Any] | JobCall]) -> list[JobHandle]:
        """Do what `add_many` does, from a coroutine."""
        return await self._add_async(job.queue, job._many(calls))

    def _add(self, queue: str, jobs: Sequence[NewJob]) -> list[JobHandle]:
        made = self._engine.enqueue(queue, self._as_members(jobs))
        if queue != self.queue:
            with suppress(*self._harmless):
                run_steps(self._engine.run, batches.deliver_notices(queue))
        return self._added(queue, made)

    async def _add_async(self, queue: str, jobs: Sequence[NewJob]) -> list[JobHandle]:
        made = await self._engine.enqueue_async(queue, self._as_members(jobs))
        if queue != self.queue:
            with suppress(*self._harmless):
                await run_steps_async(self._engine.run_async, batches.deliver_notices(queue))
        return self._added(queue, made)

    @property
    def _harmless(self) -> tuple[type[StoreError], ...]:
        """What may keep the batch from hearing of a new member at once: but of one that a member adds it must."""
        return () if self.is_inside else (StoreError,)

    def _as_members(self, jobs: Sequence[NewJob]) -> list[NewJob]:
        ref = f"+{self.ref}" if self.is_inside else self.ref
        return [replace(job, fields=(*job.fields, "flow", Flow.BATCH.value, "batch", ref)) for job in jobs]

    def _added(self, queue: str, made: Sequence[Enqueued]) -> list[JobHandle]:
        self.added += sum(each.created is True for each in made)
        return [handle_of(each, queue, self._engine) for each in made]

    def _status(self) -> Steps[BatchStatus]:
        """Return how far it is. Raises: NotFound."""
        found: BatchStatus = yield batches.batch_status(self.queue, self.id)
        if found.state is BatchState.UNKNOWN:
            raise self._not_found()
        return found

    def _close(self) -> Steps[None]:
        """Let nobody add to it but members. The end of a ``with`` block does. Raises: NotFound; Conflict."""
        self._check((yield batches.close_batch(self.queue, self.id, self.added)), "closed")

    def _cancel(self) -> Steps[None]:
        """Cancel it: its members are, what is to come always comes when they have ended. Raises: NotFound; Conflict."""
        self._check((yield from batches.cancelling(self.queue, self.id)), "over")

    status, status_async = both_ways(_status)
    close, close_async = both_ways(_close)
    cancel, cancel_async = both_ways(_cancel)

    def wait(self, timeout: Duration | None = None) -> BatchStatus:
        """Wait until it is over, or only dead members hold it up; return how far it is then.

        ``timeout``: None waits for ever. Raises: ResultTimeout; NotFound.
        """
        for pause_s in self._pauses(timeout):
            if (found := self.status()).state not in _GOES_ON:
                return found
            time.sleep(pause_s)
        raise self._timed_out(timeout)

    async def wait_async(self, timeout: Duration | None = None) -> BatchStatus:
        """Do what `wait` does, from a coroutine."""
        for pause_s in self._pauses(timeout):
            if (found := await self.status_async()).state not in _GOES_ON:
                return found
            await asyncio.sleep(pause_s)
        raise self._timed_out(timeout)

    def results(self) -> Iterator[tuple[JobHandle, Any]]:
        """Go through the members that have succeeded and are kept (``keep=``), each with what it has returned."""
        cursor: str | None = "0"
        while cursor is not None:
            page = self._engine.run(batches.batch_members(self.queue, self.id, "kept", cursor))
            for handle in self._handles(page):
                yield from _kept(handle, self._engine.run(job_end(handle.queue, handle.id)))
            cursor = page.cursor

    async def results_async(self) -> AsyncIterator[tuple[JobHandle, Any]]:
        """Do what `results` does, from a coroutine."""
        cursor: str | None = "0"
        while cursor is not None:
            page = await self._engine.run_async(batches.batch_members(self.queue, self.id, "kept", cursor))
            for handle in self._handles(page):
                for found in _kept(handle, await self._engine.run_async(job_end(handle.queue, handle.id))):
                    yield found
            cursor = page.cursor

    def _handles(self, page: MembersPage) -> Iterator[JobHandle]:
        for member in page.members:
            queue, _, job_id = member.partition("/")
            yield JobHandle(job_id, queue, False, self._engine)

    def _check(self, answer: Closed, what: str) -> None:
        if answer is Closed.UNKNOWN:
            raise self._not_found()
        if answer is Closed.TOO_LATE:
            raise Conflict(f"batch {self.ref} is {what} already")

    def _not_found(self) -> NotFound:
        return NotFound(f"there is no batch {self.ref}", hint="what is over is forgotten after its keep=")

    def _pauses(self, timeout: Duration | None) -> Iterator[float]:
        """Yield how long to wait until the next look, until the time is up."""
        until_s = None if timeout is None else time.monotonic() + duration_ms(timeout, "timeout") / 1000
        pause_s = _LOOK_S
        while until_s is None or time.monotonic() < until_s:
            yield pause_s if until_s is None else min(pause_s, max(0.0, until_s - time.monotonic()))
            pause_s = min(_MOST_LOOK_S, 2 * pause_s)

    def _timed_out(self, timeout: Duration | None) -> ResultTimeout:
        waited = format_age(duration_ms(timeout or 0, "timeout") / 1000)
        return ResultTimeout(f"batch {self.ref} was not over within {waited}")


def batch_of_running(known: Job[..., Any], ref: str) -> Batch:
    """Return the batch of a running job, to which that may add; ``ref``: as its record has it."""
    return Batch(*batch_ref(ref.lstrip("+")), known._now(), is_inside=True)


def _kept(handle: JobHandle, end: JobEnd) -> Iterator[tuple[JobHandle, Any]]:
    if end.ending is Ending.KEPT:
        yield handle, value_of(handle.ref, end)
