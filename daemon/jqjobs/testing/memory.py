"""Tests without Redis: jobs are held in memory, looked at, and run when the test says so.

with in_memory(app) as jobs:
    sign_up("ann@example.com")
    jobs.assert_enqueued(send_welcome, 42)
    jobs.drain()                               # runs what is due, in order
    jobs.clock.advance("10m")                  # what was delayed, or waits for its next attempt, is due; ticks come
    jobs.run(limits=True)                      # runs what rate and concurrency limits let start
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from jqjobs.api.app import App, Job
from jqjobs.errors import DrainedTooLong
from jqjobs.inprocess.async_wait import overdue, pass_deadline
from jqjobs.inprocess.engines import MemoryEngine
from jqjobs.inprocess.lifetime import Lifetime
from jqjobs.inprocess.memory_store import Record
from jqjobs.jobs.annotations import signature_of
from jqjobs.jobs.payload import Payload, decode_payload
from jqjobs.testing.frozen_clock import FrozenClock
from jqjobs.testing.ticks import pass_time

#: A drain that runs more than this is taken for a circle.
_MOST_RUNS = 10_000


class InMemory:
    """The jobs of one app in memory. ``clock``: frozen; moved by ``clock.advance("10m")``."""

    def __init__(self, app: App, lifetime: Lifetime | None = None) -> None:
        self.app = app
        self.clock = FrozenClock(pass_time=self._pass_time)
        self.engine = MemoryEngine(app, self.clock, lifetime)

    def _pass_time(self, until_ms: int, outage: bool) -> None:
        pass_time(self.engine, self.clock, until_ms, outage=outage)

    @property
    def all(self) -> list[Record]:
        """Every job enqueued so far, those that succeeded included."""
        return list(self.engine.records)

    def enqueued(self, job: Job[..., Any] | None = None) -> list[Record]:
        """Return the jobs (of one name) that have not ended, in the order they came."""
        ended = ("gone", "kept", "dead")
        return [
            record for record in self.all if record.state not in ended and (job is None or self._is_of(record, job))
        ]

    @property
    def dead(self) -> list[Record]:
        """The jobs that have failed for good."""
        return [record for record in self.all if record.state == "dead"]

    def drain(self, *, delayed: bool = False, raise_errors: bool = False) -> int:
        """Do what `run` does, whatever limits say."""
        return self.run(delayed=delayed, raise_errors=raise_errors)

    def run(self, *, limits: bool = False, delayed: bool = False, raise_errors: bool = False) -> int:
        """Run what is due, in order, what it enqueues included; return how many attempts that were.

        ``limits``: what rate and concurrency limits hold back is held until they let it start, or is dead when that
        happens too often. ``delayed``: move the clock on to whatever is due later, until nothing is left; over ticks
        of periodic jobs it leaps. ``raise_errors``: raise what a job raised, once that is recorded.
        Raises: DrainedTooLong.
        """
        runs = 0
        while (record := self._next(limits=limits, delayed=delayed)) is not None:
            error = self.engine.run_one(record)
            if error is not None and raise_errors:
                raise error
            runs += 1
            if runs > _MOST_RUNS:
                raise DrainedTooLong(f"{_MOST_RUNS} attempts, and there is still something to run")
        return runs

    def _next(self, *, limits: bool, delayed: bool) -> Record | None:
        records, gates = self.engine.records, self.engine.gates
        for late in overdue(records):
            pass_deadline(records, late)
        record = gates.take() if limits else records.take()
        moments = [at for at in (records.next_due_ms(), gates.next_opening_ms()) if at is not None]
        if record is not None or not delayed or not moments:
            return record
        self.clock.now_ms = min(moments)
        return self._next(limits=limits, delayed=True)

    def assert_enqueued(self, job: Job[..., Any], /, *args: Any, **kwargs: Any) -> Record:
        """Return the first waiting call of ``job`` with these arguments; without any: of any call of it.

        However they were passed, by place, by name or by default, arguments that mean the same call are equal.
        Raises: AssertionError, naming what was enqueued.
        """
        found = self._matching(job, args, kwargs)
        if not found:
            raise AssertionError(f"no {_shown(job.name, args, kwargs)} is enqueued, but {self._all_shown()}")
        return found[0]

    def assert_not_enqueued(self, job: Job[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Raise AssertionError when a call of ``job`` with these arguments waits; without any: any call of it."""
        if self._matching(job, args, kwargs):
            raise AssertionError(f"{_shown(job.name, args, kwargs)} is enqueued: {self._all_shown()}")

    def _matching(self, job: Job[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Record]:
        waiting = self.enqueued(job)
        if not (args or kwargs):
            return waiting
        wanted = _call_of(job, decode_payload(job.signature.encode(args, kwargs)))
        return [record for record in waiting if _call_of(job, decode_payload(record.payload)) == wanted]

    def _is_of(self, record: Record, job: Job[..., Any]) -> bool:
        # job.options(…) is another object with the same settings.
        known = self.app.jobs.get(record.name)
        return known is not None and known.settings is job.settings

    def _all_shown(self) -> str:
        return ", ".join(_shown(each.name, each.args, each.kwargs) for each in self.enqueued()) or "nothing"


@contextmanager
def in_memory(app: App) -> Iterator[InMemory]:
    """Let the calls of an app go to memory for a while; see `InMemory`.

    The first job that runs calls the hooks of `on_worker_start` before; the end of this those of `on_worker_stop`.
    """
    with Lifetime(app) as lifetime:
        jobs = InMemory(app, lifetime)
        before = app.use(jobs.engine)
        try:
            yield jobs
        finally:
            app.use(before)


def _call_of(job: Job[..., Any], payload: Payload) -> Mapping[str, Any]:
    args, kwargs = job.signature.decode(payload)
    bound = signature_of(job.function).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def _shown(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    parts = [*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())]
    return f"{name}({', '.join(parts)})"
