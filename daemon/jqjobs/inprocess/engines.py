"""Engines that need no Redis: one that runs each job at once, one that drops it. JQ_ENGINE names them.

`MemoryEngine` holds jobs until somebody runs them; `jqjobs.testing.memory` is its face for tests. Jobs run in the
thread that asks, by the same `Runner` as in a worker, with the same retries, hooks and middleware; time limits do not
apply, and who is to obey rate and concurrency limits takes jobs by `gates`.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from jqjobs.api.app import App
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import ResultTimeout
from jqjobs.inprocess.async_wait import suspend, token_of
from jqjobs.inprocess.flows import Flows
from jqjobs.inprocess.lifetime import Lifetime, Unwatched, run_alone
from jqjobs.inprocess.limit_gates import LimitGates
from jqjobs.inprocess.memory_store import Record, Records, taken_job
from jqjobs.inprocess.replies import reply_to
from jqjobs.inprocess.settling import settle
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Enqueued, Kind, NewJob
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls.trips import Settled
from jqjobs.worker.attempts.hook_calls import call_hook, events_of
from jqjobs.worker.attempts.runner import Runner

T = TypeVar("T")

WORKER = "in-process"
#: `NullEngine` remembers so many jobs.
_MOST_DROPPED = 10_000


class MemoryEngine:
    """Holds jobs in this process. ``clock``: the time in ms; the time of day unless it is given."""

    def __init__(
        self, app: App, clock: Callable[[], int] | None = None, lifetime: Lifetime | None = None
    ) -> None:  # fmt: skip
        """``lifetime``: of what runs the jobs; without one each coroutine has an event loop of its own."""
        self.app = app
        self._lifetime = lifetime
        self._guard = lifetime.guard if lifetime else Unwatched(run_alone)
        self.clock = clock or (lambda: time.time_ns() // 1_000_000)
        self.records = Records(self.clock)
        self.records.is_in_code = lambda *place: any(
            (each.queue, each.name) == place for each in app.registry.schedules
        )
        self.gates = LimitGates(self.records, lambda name: app.registry.find(name).settings)
        self.records.on_start = self.gates.started
        self.flows = Flows(self.records)
        self.records.on_add, self.records.on_end = self.flows.added, self.flows.ended
        self.records.on_turn = self.flows.turned
        self.rng = random.Random(0)

    def now_ms(self) -> int:
        """Return the time by the clock of these jobs."""
        return self.clock()

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Hold jobs."""
        return [self.records.add(queue, job) for job in jobs]

    async def enqueue_async(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Do what `enqueue` does, from a coroutine."""
        return self.enqueue(queue, jobs)

    def run(self, call: Call[T]) -> T:
        """Answer a call that job handles make. Raises: JqError for what only Redis can do."""
        return call.parse(reply_to(self.records, self.flows, call))

    async def run_async(self, call: Call[T]) -> T:
        """Do what `run` does, from a coroutine."""
        return self.run(call)

    def check_runs(self, what: str, state: str) -> NoReturn:
        """Raise ResultTimeout: nothing runs while somebody waits here."""
        raise ResultTimeout(f"{what} has not run: it is {state}", hint="drain() runs jobs in tests")

    def subscribe(self, queue: str, job_id: str) -> NoReturn:
        """Raise ResultTimeout, as `check_runs` does."""
        record = self.records.get(queue, job_id)
        self.check_runs(f"job {queue}/{job_id}", record.state if record else "gone")

    subscribe_async = subscribe

    def run_one(self, record: Record) -> BaseException | None:
        """Run one attempt of a job that was taken, record how it ended, call its hooks; return what it raised.

        The first one begins the lifetime, if there is one.
        Raises: KeyboardInterrupt, which in the caller's own process is not for the job alone; what that begin raises.
        """
        if self._lifetime is not None:
            self._lifetime.begin()
        errors: list[BaseException] = []
        runner = Runner(self.app, WORKER, self._guard, self.rng, _Notebook(record, self.clock), errors.append)
        job = taken_job(record)
        runner.complete([job])
        record.keep_ms = job.keep_ms
        record.max_attempts = int(
            record.fields.get("max_attempts", self.app.registry.find(job.name).settings.max_attempts)
        )
        # A job may enqueue, and so run, another one: in a context of its own, each is the current one.
        context = contextvars.copy_context()
        job.started_ms, runner.classifier.clock_offset_ms = monotonic_ms(), self.clock() - monotonic_ms()
        outcome = context.run(runner.run, job) or Outcome.done(job)
        record_end = suspend if outcome.kind is Kind.WAITING else settle
        settled = record_end(self.records, record, outcome)
        if outcome.after is not None:
            context.run(self._call_hooks, outcome, settled)
        error = errors[0] if errors else None
        if issubclass(type(error), KeyboardInterrupt):  # its `__class__` may be code of the app
            assert error is not None
            raise error
        return error

    def _call_hooks(self, outcome: Outcome, settled: Settled) -> None:
        for event, *args in events_of(outcome, settled):
            for function in self.app.registry.hooks_of(outcome.after.known, event):
                call_hook(event, function, args, self._guard.run_async)


class SyncEngine(MemoryEngine):
    """Runs each job in the caller, before `enqueue` returns, retries included and without waiting for any delay.

    So does what comes after it: the steps of its chain, what its batch calls.
    """

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.records.on_start = lambda record: None  # no limit holds anything back here: starts need no counting
        self._begun = deque[Record]()
        self.flows.on_begin = self._begun.append

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Run jobs."""
        made = super().enqueue(queue, jobs)
        for item in made:
            if item.created:
                self._finish(self.records.get(queue, item.id))
        self._finish_begun()
        return made

    def run(self, call: Call[T]) -> T:
        """Answer a call, and run what is to run after it: a retry, what was put off, an answer that was an error."""
        answer = super().run(call)
        if call.script.name in ("retry", "resolve", "promote"):
            for record in self.records:
                self._finish(record)
        self._finish_begun()
        return answer

    async def run_async(self, call: Call[T]) -> T:
        """Do what `run` does in another thread, while the event loop goes on."""
        return await asyncio.to_thread(self.run, call)

    def _finish_begun(self) -> None:
        while self._begun:
            self._finish(self._begun.popleft())

    def _finish(self, record: Record | None) -> None:
        while record is not None and record.state in ("ready", "scheduled"):
            self.run_one(self.records.start(record))

    async def enqueue_async(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Run jobs in another thread, while the event loop goes on."""
        return await asyncio.to_thread(self.enqueue, queue, jobs)


class NullEngine(MemoryEngine):
    """Drops jobs, and remembers the last ones in ``dropped``: (queue, job)."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.dropped: deque[tuple[str, NewJob]] = deque(maxlen=_MOST_DROPPED)

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Drop jobs."""
        self.dropped.extend((queue, job) for job in jobs)
        return [Enqueued(job.id, True) for job in jobs]


class _Notebook:
    """Writes what a job says of itself straight into its record."""

    pending = False

    def __init__(self, record: Record, clock: Callable[[], int]) -> None:
        self._record = record
        self._clock = clock

    def progress(self, job: JobContext, percent: float, text: str) -> None:
        self._record.progress = {"percent": percent, "text": text, **self._when(job)}

    def log(self, job: JobContext, text: str) -> None:
        self._record.log.append({"text": text, **self._when(job)})

    def wait_token(self, job: JobContext) -> str:
        return token_of(self._record)

    def _when(self, job: JobContext) -> dict[str, int]:
        return {"attempt": job.attempt, "at_ms": self._clock()}

    def has(self, job: TakenJob) -> bool:
        return False

    def write(self) -> None:
        """Nothing is left to be written."""

    async def write_aside(self) -> None:
        """Nothing is left to be written."""

    def forget(self, job: TakenJob) -> None:
        """A record that goes takes this along."""
