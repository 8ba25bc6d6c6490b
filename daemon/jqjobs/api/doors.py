"""What an application reaches through its app once jobs are stored: a job by its ref, a queue, the daemons."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from jqjobs.api.client import Client
from jqjobs.api.engine import Engine
from jqjobs.api.handle import JobHandle
from jqjobs.api.queue import Queue
from jqjobs.errors import InvalidName
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
        return JobHandle(job_id, queue, False, self.engine)

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

    def resolve(self, ref: str, token: str | None = None, *, result: Any = None, error: str | None = None) -> str:
        """Answer for the job of that ``queue/id``, see `JobHandle.resolve`."""
        return self.handle(ref).resolve(token, result=result, error=error)
