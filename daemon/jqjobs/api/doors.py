"""What an application reaches through its app once jobs are stored: a job by its ref, a queue, the daemons."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from jqjobs.api.batches import Batch
from jqjobs.api.chains import Chain, chain_of
from jqjobs.api.client import Client
from jqjobs.api.engine import Engine
from jqjobs.api.handle import JobHandle
from jqjobs.api.opening import Opening, opening
from jqjobs.api.queue import Queue
from jqjobs.api.steps import Step
from jqjobs.base.clock import Duration
from jqjobs.errors import InvalidName
from jqjobs.jobs.flow import OnDead, batch_ref
from jqjobs.jobs.partitions import partition_of, queue_of
from jqjobs.jobs.records import parse_ref
from jqjobs.store.calls.cancels import CancelAnswer
from jqjobs.store.reads.registry import DaemonInfo, read_registry


class Doors(ABC):
    """The part of an `App` that registers nothing."""

    client: Client

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """Where calls go. Raises: ConfigError."""

    def handle(self, ref: str) -> JobHandle:
        """Return a handle of a job that is there already, by the ``queue/id`` of an earlier handle's ``ref``.

        Raises: InvalidName. Whether there is such a job is seen when the handle is used.
        """
        queue, job_id = parse_ref(ref)
        if queue is None:
            raise InvalidName(f"{ref!r} does not say the queue", hint="write queue/id, as in the handle's ref")
        return JobHandle(job_id, queue_of(queue), False, self.engine, _place=partition_of(queue) or "")

    def batch(
        self, id: str | None = None, *, queue: str | None = None, then: Step | None = None,
        always: Step | None = None, on_dead: str = OnDead.WAIT, keep: Duration = "7d",
    ) -> Opening:  # fmt: skip
        """Return a batch for a ``with`` block: what is added in the block is waited for together.

        ``then``: a call, as `Job.call` makes it, or a list of them, for when all members have succeeded; ``always``:
        for when all have ended. ``on_dead``: what it does when a member is dead: "wait" until somebody retries it,
        "cancel" the others, or "go" on to ``then``. ``queue``: where it is kept, without it that of what is to come.
        ``keep``: for how long it is known after its end. Raises: InvalidOption, InvalidName; in the block Conflict when
        there is one of this id.
        """
        return opening(self.engine, id, queue, then, always, on_dead, keep)

    def batch_at(self, ref: str) -> Batch:
        """Return a batch that is there already, by its ``queue/id``. Raises: InvalidName, InvalidOption."""
        return Batch(*batch_ref(ref), self.engine)

    def chain(self, *steps: Step) -> Chain:
        """Return a chain of calls, as `Job.call` makes them: each begins when the one before has succeeded.

        A list of calls is one step: they run side by side, and are waited for. A parameter that is annotated
        ``Previous[T]`` gets what the step before has returned, up to 64 KiB. At most 16 steps after the first, of
        64 KiB together. A dead step stops the chain, its retry goes on. Raises: InvalidOption, InvalidArguments.
        """
        return chain_of(self.engine, steps)

    def queue(self, name: str) -> Queue:
        """Return a queue: to look into, and to act on many of its jobs. Raises: InvalidName."""
        return Queue(name, self.engine)

    def daemons(self) -> tuple[DaemonInfo, ...]:
        """Return the daemons that are there, of all apps on this Redis, with their workers and what these run.

        Raises: StoreError and its kinds.
        """
        with self.client.store() as store:
            return read_registry(store).daemons

    async def daemons_async(self) -> tuple[DaemonInfo, ...]:
        """Do what `daemons` does, from a coroutine."""
        return await asyncio.to_thread(self.daemons)

    def cancel(self, ref: str) -> CancelAnswer:
        """Cancel the job of that ``queue/id``, see `JobHandle.cancel`."""
        return self.handle(ref).cancel()

    async def cancel_async(self, ref: str) -> CancelAnswer:
        """Do what `cancel` does, from a coroutine."""
        return await self.handle(ref).cancel_async()

    def resolve(self, ref: str, token: str | None = None, *, result: Any = None, error: str | None = None) -> str:
        """Answer for the job of that ``queue/id``, see `JobHandle.resolve`."""
        return self.handle(ref).resolve(token, result=result, error=error)

    async def resolve_async(
        self, ref: str, token: str | None = None, *, result: Any = None, error: str | None = None
    ) -> str:  # fmt: skip
        """Do what `resolve` does, from a coroutine."""
        return await self.handle(ref).resolve_async(token, result=result, error=error)
