"""Batches: jobs that are waited for together, in whichever queues they are.

with app.batch("import-7", then=report.call(7), always=unlock.call(7)) as batch:
    batch.add_many(import_row, rows)      # closed when the block ends; `then` comes when all have succeeded
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from jqjobs.api.both_ways import both_ways
from jqjobs.api.calls import Calls, JobCall, check_begins
from jqjobs.api.function import Job
from jqjobs.api.handle import JobHandle, handle_of
from jqjobs.api.steps import new_job
from jqjobs.api.watched_batches import WatchedBatch
from jqjobs.errors import InvalidOption, StoreError
from jqjobs.jobs.flow import batch_ref, flow_fields
from jqjobs.jobs.records import Enqueued, NewJob
from jqjobs.store.calls import batches, flows
from jqjobs.store.calls.telling import Telling
from jqjobs.store.steps import Steps, run_steps, run_steps_async


@dataclass(slots=True)
class Batch(WatchedBatch):
    """A batch in the store. ``added``: members that this object has added, which count when it is closed.

    Everything raises StoreError and its kinds.
    """

    #: Whether a member adds: the batch may be closed already, and who closes it does not know of these.
    is_inside: bool = field(default=False, repr=False, compare=False)
    added: int = field(default=0, repr=False, compare=False)
    #: Whether this object has opened it, and whether it has closed or cancelled it.
    is_opened: bool = field(default=False, repr=False, compare=False)
    is_ended: bool = field(default=False, repr=False, compare=False)
    #: "queue/id" of calls whose reply did not come: if one is found to be there when it is added again, it is this one.
    _in_doubt: set[str] = field(default_factory=set, repr=False, compare=False)

    def add(self, call: JobCall) -> JobHandle:
        """Store a call as a member, in the queue of its job; none is added where its key stands for another job.

        Raises: what `Job.enqueue` does; NotFound; Conflict: it is closed, so only its members may add to it.
        """
        new = _new_member(call)
        return self._add(call.job.queue, [new])[0]

    async def add_async(self, call: JobCall) -> JobHandle:
        """Do what `add` does, from a coroutine."""
        new = _new_member(call)
        return (await self._add_async(call.job.queue, [new]))[0]

    def add_many(self, job: Calls[...], calls: Iterable[Sequence[Any] | JobCall]) -> list[JobHandle]:
        """Store many calls of a job as members; ``calls``: as `Job.enqueue_many` takes them."""
        new = _new_members(job, calls)
        return self._add(job.queue, new)

    async def add_many_async(self, job: Calls[...], calls: Iterable[Sequence[Any] | JobCall]) -> list[JobHandle]:
        """Do what `add_many` does, from a coroutine."""
        new = _new_members(job, calls)
        return await self._add_async(job.queue, new)

    def _add(self, queue: str, jobs: Sequence[NewJob]) -> list[JobHandle]:
        run_steps(self._engine.run, _check_open(self))
        with self._noting_doubts(queue):
            made = self._engine.enqueue(queue, self._as_members(jobs))
        with suppress(*self._harmless):
            run_steps(self._engine.run, self._tell(queue, made))
        return self._added(queue, made)

    async def _add_async(self, queue: str, jobs: Sequence[NewJob]) -> list[JobHandle]:
        await run_steps_async(self._engine.run_async, _check_open(self))
        with self._noting_doubts(queue):
            made = await self._engine.enqueue_async(queue, self._as_members(jobs))
        with suppress(*self._harmless):
            await run_steps_async(self._engine.run_async, self._tell(queue, made))
        return self._added(queue, made)

    def _tell(self, queue: str, made: Sequence[Enqueued]) -> Steps[None]:
        """Have the batch hear of its new members, from each place they are in that is not its own."""
        for place in sorted({each.place or queue for each in made} - {self.queue}):
            yield from Telling(place).go_through(0)

    @property
    def _harmless(self) -> tuple[type[StoreError], ...]:
        """What may keep the batch from hearing of a new member at once: but of one that a member adds it must."""
        return () if self.is_inside else (StoreError,)

    def _as_members(self, jobs: Sequence[NewJob]) -> list[NewJob]:
        ref = f"+{self.ref}" if self.is_inside else self.ref
        return [replace(job, fields=(*job.fields, *flow_fields(batch=ref))) for job in jobs]

    @contextmanager
    def _noting_doubts(self, queue: str) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self._in_doubt |= {f"{queue}/{job_id}" for job_id in (*error.stored, *error.unknown)}
            raise

    def _added(self, queue: str, made: Sequence[Enqueued]) -> list[JobHandle]:
        for each in made:
            was_in_doubt = f"{queue}/{each.id}" in self._in_doubt
            self.added += each.created is not False or was_in_doubt  # None: a relay brings it
            self._in_doubt.discard(f"{queue}/{each.id}")
        return [handle_of(each, queue, self._engine) for each in made]

    def _close(self) -> Steps[None]:
        """Let nobody add to it but members. The end of a ``with`` block does. Raises: NotFound; Conflict."""
        closed = yield from flows.acting(self.queue, batches.close_batch(self.queue, self.id, self.added))
        batches.check(closed, self.ref, "closed")
        self.is_ended = True

    def _cancel(self) -> Steps[None]:
        """Cancel it: its members are, what is to come always comes when they have ended. Raises: NotFound; Conflict."""
        batches.check((yield from flows.cancelling(self.queue, self.id)), self.ref, "over")
        self.is_ended = True

    def _retry(self) -> Steps[int]:
        """Send all dead members back, whatever they died of; return how many.

        One whose key belongs to a newer job by now stays dead. Raises: NotFound; Conflict when it is over.
        """
        answer = yield from flows.retrying(self.queue, self.id)
        batches.check(answer.batch, self.ref, "over")
        return answer.retried

    close, close_async = both_ways(_close)
    cancel, cancel_async = both_ways(_cancel)
    retry, retry_async = both_ways(_retry)


def _check_open(batch: Batch) -> Steps[None]:
    """Raise NotFound or Conflict unless somebody from outside may add to a batch; a member always may."""
    if batch.is_inside or (batch.is_opened and not batch.is_ended):
        return
    batches.check_open((yield from batch._status()), is_closed=batch.is_ended)


def _new_member(call: JobCall) -> NewJob:
    new = new_job(call)
    check_begins(call.job)
    return new


def _new_members(job: Calls[...], calls: Iterable[Sequence[Any] | JobCall]) -> list[NewJob]:
    if not isinstance(job, Calls):
        raise InvalidOption(f"{job!r} is no job", hint="add_many takes a job, then the arguments of its calls")
    return job._many(calls)


def batch_of_running(known: Job[..., Any], ref: str) -> Batch:
    """Return the batch of a running job, to which that may add; ``ref``: as its record has it."""
    return Batch(*batch_ref(ref.lstrip("+")), known._now(), is_inside=True)
