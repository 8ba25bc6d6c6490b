"""Runs one job: find, decode, convert, call, classify. Knows nothing of Redis, batches or boards."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from functools import partial
from inspect import iscoroutinefunction
from types import CoroutineType
from typing import Any, Protocol

import msgspec

from jqjobs.api.app import App, Job
from jqjobs.base import log
from jqjobs.base.clock import LONGEST_MS, duration_ms, monotonic_ms
from jqjobs.base.sizes import format_size
from jqjobs.errors import (
    Discard,
    InvalidArguments,
    InvalidOption,
    JobCancelled,
    JobInterrupted,
    JobTimeout,
    MalformedPayload,
    Retry,
)
from jqjobs.jobs.backoff import backoff_of
from jqjobs.jobs.context import JobReporter, Waiting, context_of, set_running
from jqjobs.jobs.hooks import wrapped
from jqjobs.jobs.records import Kind, Outcome, TakenJob
from jqjobs.jobs.signature import decode_payload
from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.hook_calls import Ended, after_hooks, call_start_hooks
from jqjobs.worker.attempts.outcomes import (
    MOST_ERROR,
    REASONS,
    describe,
    end_child,
    for_hooks,
    kept,
    outcome_of,
    traceback_of,
)


class _WrongArguments(Exception):
    """The arguments of this job; a job may raise InvalidArguments itself, about those of another one."""

    def __init__(self, error: InvalidArguments) -> None:
        super().__init__(str(error))
        self.error = error


class _Throttled(Exception):
    """This job must be limited first; the way to say so, from where it is found out."""

    def __init__(self, limits: str) -> None:
        super().__init__(limits)
        self.limits = limits


class Guard(Protocol):
    """Knows which job runs in the calling thread, to raise an exception in it when others ask for that."""

    @property
    def in_child(self) -> bool:
        """Whether this is a process that a job has forked."""
        ...

    def arm(self, job: TakenJob) -> None:
        """From now on this thread runs ``job``. Raises: JobInterrupted when it should not begin any more."""
        ...

    def disarm(self) -> None:
        """The job is over."""
        ...

    def run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine of the job to its end."""
        ...


class Runner:
    """Runs jobs in the calling thread. History lines carry times of the Redis clock."""

    def __init__(
        self, app: App, worker_id: str, interrupter: Guard, rng: random.Random, notes: JobReporter | None = None
    ) -> None:
        self._app = app
        self._notes = notes
        self._worker_id = worker_id
        self._interrupter = interrupter
        self._rng = rng
        #: What to add to `monotonic_ms` to get the time of Redis.
        self.clock_offset_ms = 0

    def complete(self, job: TakenJob) -> TakenJob:
        """Fill in what the job leaves to its registration: time limit, retention, memory."""
        known = self._app.jobs.get(job.name)
        if known is not None:
            job.timeout_ms = known.settings.timeout_ms if job.timeout_ms is None else job.timeout_ms
            job.keep_ms = known.settings.keep_ms if job.keep_ms is None else job.keep_ms
            job.memory_bytes = known.settings.memory_bytes
        return job

    def run(self, job: TakenJob) -> Outcome | None:
        """Run one attempt and return how it ended, None when that was a success with nothing to say.

        Raises nothing that a job raised.
        """
        known = self._app.jobs.get(job.name)
        if known is None:
            return outcome_of(job, Kind.UNKNOWN)
        interrupter = self._interrupter
        ended = Ended(known) if known.hooks.used or self._app.hooks.used else None
        try:
            interrupter.arm(job)
            result = self._call(job, known, ended, interrupter.run_async)
            # Asked of the result, not of the function: a plain decorator may hide that it is async.
            if isinstance(result, CoroutineType):
                result = interrupter.run_async(result)
            outcome = self._returned(job, known, ended, result)
        except BaseException as error:  # whatever a job raises, SystemExit included, is its own end only
            interrupter.disarm()
            outcome = self._raised(job, known, ended, error)
        finally:
            interrupter.disarm()
            set_running(None)
        if interrupter.in_child:  # the job has forked, and this is what came of it
            end_child(outcome)
        if self._notes is not None and self._notes.pending and self._notes.has(job):
            self._notes.forget(job) if outcome is None else self._notes.write()
        return outcome if ended is None else for_hooks(job, ended, outcome)

    async def run_as_task(self, job: TakenJob, work: AsyncWork) -> Outcome | None:
        """Run one attempt like `run`, in a task and context of its own; ``work`` is how to end it from outside."""
        known = self._app.jobs[job.name]
        ended = Ended(known) if known.hooks.used or self._app.hooks.used else None
        hooks_first: list[Coroutine[Any, Any, Any]] = []
        try:
            result = self._call(job, known, ended, hooks_first.append)
            if hooks_first and ended is not None and ended.job is not None:
                result = after_hooks(hooks_first, ended.job, result)
            if isinstance(result, CoroutineType):
                result = await work.run(result)
            outcome = self._returned(job, known, ended, result)
        except BaseException as error:
            outcome = self._raised(job, known, ended, error)
        for hook in hooks_first:
            hook.close()  # where the job did not come to them
        if self._interrupter.in_child:
            end_child(outcome)
        if self._notes is not None and self._notes.pending and self._notes.has(job):
            self._notes.forget(job) if outcome is None else await self._notes.write_aside()
        return outcome if ended is None else for_hooks(job, ended, outcome)

    def runs_as_task(self, name: str) -> bool:
        """Return whether the jobs of this name are coroutine functions with nothing around them that blocks."""
        known = self._app.jobs.get(name)
        if known is None or not iscoroutinefunction(known.function):
            return False
        return all(map(iscoroutinefunction, self._app.middlewares))

    def torn(self, job: TakenJob, error: BaseException) -> Outcome:
        """Return the end of a job whose interrupt came when its own end was being looked at."""
        return self._classify(job, self._app.jobs[job.name], error)

    def oversized(self, job: TakenJob, most_bytes: int) -> Outcome:
        """Return the end of a job that this machine can never give the memory it was registered with."""
        need, most = format_size(job.memory_bytes), format_size(most_bytes)
        error = MemoryError(f"the job needs {need} of memory, and at most {most} can ever be free here")
        return self._ended(job, Kind.OVERSIZED, error)

    def _call(self, job: TakenJob, known: Job[..., Any], ended: Ended | None, run: Callable[[Any], Any]) -> Any:
        """Return what the job returns, or its coroutine. ``run``: runs coroutines of hooks and of plain middlewares."""
        payload = decode_payload(job.payload)
        try:
            args, kwargs = known.signature.decode(payload)
            if known.settings.limits and not job.limits:  # a raw envelope: only here its limits can be computed
                raise _Throttled(known.limits_text(args, kwargs))
        except InvalidArguments as error:
            raise _WrongArguments(error) from error
        running = (job, payload.meta, self._worker_id, self._notes, args, kwargs)
        set_running(running)
        if ended is not None:
            ended.job = context_of(running)
            call_start_hooks(self._app, known, ended.job, run)
        if self._app.middlewares:
            call = partial(known.function, *args, **kwargs)
            return wrapped(call, self._app.middlewares, context_of(running), run)
        return known.function(*args, **kwargs)

    def _returned(self, job: TakenJob, known: Job[..., Any], ended: Ended | None, result: Any) -> Outcome | None:
        if ended is not None:
            ended.result = result
        if isinstance(result, Waiting):
            backoff_ms = self._backoff_ms(job, known)
            return outcome_of(job, Kind.WAITING, number=result.timeout_ms, text=str(backoff_ms))
        if job.keep_ms is not None:
            return kept(job, result)
        return outcome_of(job, Kind.DONE, text=job.key or job.limits) if job.key or job.limits else None

    def _raised(self, job: TakenJob, known: Job[..., Any], ended: Ended | None, error: BaseException) -> Outcome:
        if isinstance(error, _Throttled):
            return outcome_of(job, Kind.THROTTLED, text=error.limits)
        if ended is not None:
            ended.error = error.error if isinstance(error, _WrongArguments) else error
        return self._classify(job, known, error)

    def _classify(self, job: TakenJob, known: Job[..., Any], error: BaseException) -> Outcome:
        if isinstance(error, MalformedPayload):
            return outcome_of(job, Kind.MALFORMED, text=str(error)[:MOST_ERROR])
        if isinstance(error, _WrongArguments):
            return self._ended(job, Kind.DISCARDED, error.error)
        if isinstance(error, JobInterrupted):
            return self._ended(job, Kind.INTERRUPTED, error)
        if isinstance(error, JobCancelled):
            return self._ended(job, Kind.CANCELLED, error)
        if isinstance(error, Discard):
            return self._ended(job, Kind.DISCARDED, error)
        delay_ms = self._delay_ms(job, known, error)
        kind = Kind.HUNG if isinstance(error, JobTimeout) else Kind.FAILED
        return self._ended(job, kind, error, delay_ms)

    def _delay_ms(self, job: TakenJob, known: Job[..., Any], error: BaseException) -> int:
        if isinstance(error, Retry) and error.delay is not None:
            try:
                return duration_ms(error.delay, "Retry delay")
            except InvalidOption as wrong:
                log.event("job.bad_retry_delay", level=30, job=job.id, name=job.name, error=str(wrong))
        return self._backoff_ms(job, known)

    def _backoff_ms(self, job: TakenJob, known: Job[..., Any]) -> int:
        try:
            return max(0, min(LONGEST_MS, int(known.settings.backoff.delay_ms(job.failures + 1, self._rng))))
        except Exception as wrong:  # a rule of the user's own
            log.event("job.bad_backoff", level=30, job=job.id, name=job.name, error=describe(wrong))
            return backoff_of(None).delay_ms(job.failures + 1, self._rng)

    def _ended(self, job: TakenJob, kind: Kind, error: BaseException, delay_ms: int = 0) -> Outcome:
        text, offset_ms = describe(error), self.clock_offset_ms
        line = msgspec.json.encode({
            "attempt": job.attempt, "reason": REASONS[kind], "error": text, "traceback": traceback_of(error),
            "worker": self._worker_id, "started_ms": job.started_ms + offset_ms, "ended_ms": monotonic_ms() + offset_ms,
        })  # fmt: skip
        return outcome_of(job, kind, number=delay_ms, text=text, line=line)
