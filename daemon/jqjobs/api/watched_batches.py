"""A batch as who waits for it sees it: how far it is, whether it is over, what its members have returned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from jqjobs.api.both_ways import both_ways
from jqjobs.api.engine import Engine
from jqjobs.api.handle import JobHandle
from jqjobs.api.results import value_of
from jqjobs.base.clock import Duration, duration_ms, format_age
from jqjobs.errors import ResultTimeout
from jqjobs.jobs.flow import BatchState, BatchStatus
from jqjobs.store.calls import batches
from jqjobs.store.calls.batches import MembersPage
from jqjobs.store.calls.endings import Ending, JobEnd, job_end
from jqjobs.store.steps import Steps

#: Until somebody who waits looks again, s; each time twice as long, at most the last.
_LOOK_S, _MOST_LOOK_S = 0.05, 1.0
_GOES_ON = (BatchState.OPEN, BatchState.RUNNING)


@dataclass(slots=True)
class WatchedBatch:
    """The part of a `Batch` that changes nothing."""

    queue: str
    id: str
    _engine: Engine = field(repr=False, compare=False)

    @property
    def ref(self) -> str:
        """``queue/id``, as `App.batch_at` and `jqctl batch` take it."""
        return f"{self.queue}/{self.id}"

    def _status(self) -> Steps[BatchStatus]:
        """Return how far it is. Raises: NotFound."""
        found: BatchStatus = yield batches.batch_status(self.queue, self.id)
        if found.state is BatchState.UNKNOWN:
            raise batches.not_found(self.ref)
        return found

    status, status_async = both_ways(_status)

    def wait(self, timeout: Duration | None = None) -> BatchStatus:
        """Wait until it is over, or only dead members hold it up; return how far it is then.

        ``timeout``: None waits for ever. Raises: ResultTimeout; NotFound.
        """
        for pause_s in self._pauses(timeout):
            time.sleep(pause_s)
            if (found := self.status()).state not in _GOES_ON:
                return found
            self._engine.check_runs(f"batch {self.ref}", found.state)
        raise self._timed_out(timeout)

    async def wait_async(self, timeout: Duration | None = None) -> BatchStatus:
        """Do what `wait` does, from a coroutine."""
        for pause_s in self._pauses(timeout):
            await asyncio.sleep(pause_s)
            if (found := await self.status_async()).state not in _GOES_ON:
                return found
            self._engine.check_runs(f"batch {self.ref}", found.state)
        raise self._timed_out(timeout)

    def results(self) -> Iterator[tuple[JobHandle, Any]]:
        """Go through the members that have succeeded and are kept (``keep=``), each with what it has returned.

        Raises: NotFound.
        """
        self.status()
        cursor: str | None = "0"
        while cursor is not None:
            page = self._engine.run(batches.batch_members(self.queue, self.id, "kept", cursor))
            for handle in self._handles(page):
                yield from _kept(handle, self._engine.run(job_end(handle.queue, handle.id)))
            cursor = page.cursor

    async def results_async(self) -> AsyncIterator[tuple[JobHandle, Any]]:
        """Do what `results` does, from a coroutine."""
        await self.status_async()
        cursor: str | None = "0"
        while cursor is not None:
            page = await self._engine.run_async(batches.batch_members(self.queue, self.id, "kept", cursor))
            for handle in self._handles(page):
                for found in _kept(handle, await self._engine.run_async(job_end(handle.queue, handle.id))):
                    yield found
            cursor = page.cursor

    def _handles(self, page: MembersPage) -> Iterator[JobHandle]:
        for place in page.places:
            queue, _, job_id = place.partition("/")
            yield JobHandle(job_id, queue, False, self._engine)

    def _pauses(self, timeout: Duration | None) -> Iterator[float]:
        """Yield how long to wait before each look: the first is at once, the last when the time is up."""
        until_s = None if timeout is None else time.monotonic() + duration_ms(timeout, "timeout") / 1000
        pause_s = _LOOK_S
        yield 0
        while until_s is None or time.monotonic() < until_s:
            yield pause_s if until_s is None else min(pause_s, max(0.0, until_s - time.monotonic()))
            pause_s = min(_MOST_LOOK_S, 2 * pause_s)

    def _timed_out(self, timeout: Duration | None) -> ResultTimeout:
        waited = format_age(duration_ms(timeout or 0, "timeout") / 1000)
        return ResultTimeout(f"batch {self.ref} was not over within {waited}")


def _kept(handle: JobHandle, end: JobEnd) -> Iterator[tuple[JobHandle, Any]]:
    if end.ending is Ending.KEPT:
        yield handle, value_of(handle.ref, end)
