"""Waits for the end of a job and makes a value or an exception of it, for threads and for coroutines.

Nobody polls in a tight loop: the end is published to those who wait. A message can be lost, and a success
that is not kept is announced to nobody, so both look again by themselves now and then. Called by job handles.
"""

from __future__ import annotations

import json
import math
import time
from typing import Any

from jqjobs.api.engine import Engine
from jqjobs.base.clock import Duration, duration_ms, format_age
from jqjobs.errors import JobFailed, NotFound, ResultMissing, ResultTimeout
from jqjobs.jobs.partitions import queue_of
from jqjobs.store.calls.endings import Ending, JobEnd, job_end
from jqjobs.store.partitioning import locate
from jqjobs.store.steps import Steps, run_steps, run_steps_async

#: Seconds until the next look without a message; the last one repeats.
_LOOKS_S = (0.5, 1.0, 2.0, 5.0)
NOT_KEPT = "a job that succeeded is removed unless it has keep="


class Patience:
    """How long somebody waits for one job, and when they look again meanwhile."""

    def __init__(self, ref: str, timeout: Duration | None) -> None:
        self._ref = ref
        self._timeout_s = None if timeout is None else duration_ms(timeout, "timeout") / 1000
        self._began_s = time.monotonic()
        self._looks_s = iter(_LOOKS_S)

    def check(self) -> float:
        """Return how many seconds are left. Raises: ResultTimeout when none are."""
        if self._timeout_s is None:
            return math.inf
        left_s = self._began_s + self._timeout_s - time.monotonic()
        if left_s <= 0:
            raise ResultTimeout(f"job {self._ref} has not ended within {format_age(self._timeout_s)}")
        return left_s

    def pause_s(self) -> float:
        """Return how long to wait for a message now. Raises: ResultTimeout when the time is up."""
        return min(self.check(), next(self._looks_s, _LOOKS_S[-1]))


def wait(engine: Engine, queue: str, job_id: str, timeout: Duration | None) -> Any:
    """Return the result of a job, see `JobHandle.result`; where it was moved to another queue, of that one."""
    patience, place = Patience(f"{queue_of(queue)}/{job_id}", timeout), queue
    while end := _wait_here(engine, place, job_id, patience):
        further = run_steps(engine.run, _where_else(end, place, job_id))
        if further is None:
            break
        place = further
    return value_of(f"{queue_of(place)}/{job_id}", end)


def _where_else(end: JobEnd, place: str, job_id: str) -> Steps[str | None]:
    """Return where a job is that was asked for in a place; None: what that has said is all that is known."""
    if end.ending is Ending.MOVED:
        return end.moved_to
    return (yield from locate(place, job_id)) if end.ending is Ending.GONE else None


def _wait_here(engine: Engine, queue: str, job_id: str, patience: Patience) -> JobEnd:
    look = job_end(queue, job_id)
    end = engine.run(look)
    if end.ending is Ending.PENDING:
        listening = engine.subscribe(queue, job_id)
        patience.check()
        with listening as subscription:
            while (end := engine.run(look)).ending is Ending.PENDING:
                subscription.wait(patience.pause_s())
    return end


async def wait_async(engine: Engine, queue: str, job_id: str, timeout: Duration | None) -> Any:
    """Do what `wait` does, from a coroutine."""
    patience, place = Patience(f"{queue_of(queue)}/{job_id}", timeout), queue
    while end := await _wait_here_async(engine, place, job_id, patience):
        further = await run_steps_async(engine.run_async, _where_else(end, place, job_id))
        if further is None:
            break
        place = further
    return value_of(f"{queue_of(place)}/{job_id}", end)


async def _wait_here_async(engine: Engine, queue: str, job_id: str, patience: Patience) -> JobEnd:
    look = job_end(queue, job_id)
    end = await engine.run_async(look)
    if end.ending is Ending.PENDING:
        listening = engine.subscribe_async(queue, job_id)
        patience.check()
        async with listening as subscription:
            while (end := await engine.run_async(look)).ending is Ending.PENDING:
                await subscription.wait(patience.pause_s())
    return end


def value_of(ref: str, end: JobEnd) -> Any:
    """Return the result of a job that has ended. Raises: JobFailed, NotFound, ResultMissing."""
    if end.ending is Ending.GONE:
        raise NotFound(f"nothing is kept of job {ref}", hint=NOT_KEPT)
    if end.ending is Ending.DEAD:
        what = f": {end.error}" if end.error else ""
        raise JobFailed(f"job {ref} is dead ({end.reason}){what}", reason=end.reason, error=end.error)
    if end.result is None:
        raise ResultMissing(f"job {ref} succeeded, without a result: {end.reason}", reason=end.reason)
    try:
        return json.loads(end.result)
    except ValueError as error:  # of an answer through the inbox, whose JSON nobody has read strictly
        raise ResultMissing(f"job {ref} succeeded, with a result that is no JSON: {error}", reason=str(error)) from None
