"""Runs one attempt, as named steps on one record: find, decode, convert, call, classify, record.

Two ways, in the calling thread and as a task, take the same steps; they differ in how a coroutine is awaited and how
the job is ended from outside. Knows nothing of Redis, batches or boards.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import Context
from functools import partial
from inspect import iscoroutinefunction
from types import CoroutineType
from typing import Any, Protocol

from jqjobs.api.app import App, Job
from jqjobs.api.calls import limits_text
from jqjobs.errors import InvalidArguments, MalformedPayload
from jqjobs.jobs import not_run
from jqjobs.jobs.context import JobReporter, context_of, set_running
from jqjobs.jobs.hooks import Hook, Outside, wrapped
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.payload import decode_payload
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.async_work import AsyncWork
from jqjobs.worker.attempts.attempt import Attempt
from jqjobs.worker.attempts.classifier import MOST_ERROR, Classifier
from jqjobs.worker.attempts.cleanup import CleanupGuard, MayCleanUp, clean_up, clean_up_aside, cleanups_of
from jqjobs.worker.attempts.hook_calls import after_hooks, call_start_hooks
from jqjobs.worker.attempts.watching import tell_of_begin, tell_of_end

#: Instead of an error that cannot be looked at.
_UNSPEAKABLE = "the job raised an error that raises another one when it is looked at"


class _NotCalled(Exception):
    """The job is not called, because its outcome is clear before; the error that made it so is the cause."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Guard(CleanupGuard, Protocol):
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

    @property
    def outside(self) -> Outside | None:
        """How coroutines have a plain function called in this thread; None: they may call it themselves."""
        ...

    def reason_for(self, job: TakenJob, error: BaseException) -> BaseException:
        """Return what ``job`` has ended with: ``error``, or the reason for which that was raised in it."""
        ...


class Runner:
    """Runs the jobs of an app. `run` in the thread that calls it, `run_as_task` in a task of an event loop."""

    def __init__(
        self, app: App, worker_id: str, interrupter: Guard, rng: random.Random, notes: JobReporter | None = None,
        on_error: Callable[[BaseException], None] | None = None,
        asked_to_end: Callable[[BaseException], bool] | None = None,
        may_clean_up: MayCleanUp = lambda _: True, park_ms: int = 0,
    ) -> None:  # fmt: skip
        """``on_error``: called with what ended an attempt that did not succeed.

        ``asked_to_end``: whether that was a signal which asks the worker to end, and reached the job.
        ``park_ms``: see `Classifier`.
        """
        self._app = app
        self._worker_id = worker_id
        self._interrupter = interrupter
        self._notes = notes
        self._on_error = on_error
        self._asked_to_end = asked_to_end
        self._may_clean_up = may_clean_up
        self.classifier = Classifier(worker_id, rng, park_ms)

    def complete(self, jobs: Iterable[TakenJob]) -> None:
        """Fill in what jobs leave to their registration: time limit, retention, memory."""
        registered = self._app.jobs
        for job in jobs:
            known = registered.get(job.name)
            if known is None:
                continue
            settings = known.settings
            if job.timeout_ms is None:
                job.timeout_ms = settings.timeout_ms
            if job.keep_ms is None and settings.keep_ms is not None:
                job.keep_ms = settings.keep_ms
            if settings.memory_bytes:
                job.memory_bytes = settings.memory_bytes

    def run(self, job: TakenJob) -> Outcome | None:
        """Run one attempt and return how it ended, None when that was a success with nothing to say.

        In a context of its own, an empty one: a copy would share what variables hold, such as decimal's precision.
        Raises nothing that a job raised.
        """
        return Context().run(self._run, job)

    def _run(self, job: TakenJob) -> Outcome | None:
        known = self._app.jobs.get(job.name)
        if known is None:
            return not_run.unknown(job)
        interrupter, attempt = self._interrupter, None
        try:
            try:
                interrupter.arm(job)
                attempt = self._decoded(job, known)
                result = self._call(attempt, interrupter.run_async)
                # Asked of the result, not of the function: a plain decorator may hide that it is async.
                if isinstance(result, CoroutineType):
                    result = interrupter.run_async(result)
                outcome = self.classifier.returned(attempt, result)
            finally:
                interrupter.disarm()
        except BaseException as error:  # whatever a job raises, SystemExit included, is its own end only
            attempt = attempt or self._undecoded(job, known)
            outcome = self._raised(attempt, interrupter.reason_for(job, error))
        if interrupter.in_child:
            _end_child(outcome)
        if attempt.is_hooked:
            tell_of_end(attempt, outcome)
            if hooks := self._cleanups(attempt, outcome):
                clean_up(hooks, attempt, interrupter)
        if (notes := self._notes) is not None and notes.pending and _leaves_notes(notes, job, outcome):
            notes.write()
        return self._told_to_hooks(attempt, outcome) if attempt.is_hooked else outcome

    async def run_as_task(self, job: TakenJob, work: AsyncWork) -> Outcome | None:
        """Run one attempt like `run`, in a task and context of its own; ``work`` is how to end it from outside."""
        known = self._app.jobs.get(job.name)
        if known is None:
            return not_run.unknown(job)
        hooks_first: list[Coroutine[Any, Any, Any]] = []
        attempt = None
        try:
            attempt = self._decoded(job, known)
            result = self._call(attempt, hooks_first.append)
            if hooks_first:
                result = after_hooks(hooks_first, context_of(attempt), result)
            if isinstance(result, CoroutineType):
                result = await work.run(result)
            outcome = self.classifier.returned(attempt, result)
        except BaseException as error:
            attempt = attempt or self._undecoded(job, known)
            outcome = self._raised(attempt, error)
        for hook in hooks_first:
            hook.close()  # where the job did not come to them
        if self._interrupter.in_child:
            _end_child(outcome)
        if attempt.is_hooked:
            tell_of_end(attempt, outcome)
            if hooks := self._cleanups(attempt, outcome):
                await clean_up_aside(hooks, attempt)
        if (notes := self._notes) is not None and notes.pending and _leaves_notes(notes, job, outcome):
            await notes.write_aside()
        return self._told_to_hooks(attempt, outcome) if attempt.is_hooked else outcome

    def runs_as_task(self, name: str) -> bool:
        """Return whether the jobs of this name are coroutine functions with nothing around them that blocks."""
        known = self._app.jobs.get(name)
        return known is not None and known.is_async and all(map(iscoroutinefunction, self._app.async_middlewares))

    def torn(self, job: TakenJob, error: BaseException) -> Outcome:
        """Return the end of a job whose interrupt came when its own end was being looked at."""
        return self.classifier.raised(job, self._app.jobs[job.name], error)

    def _decoded(self, job: TakenJob, known: Job[..., Any]) -> Attempt:
        """Read the payload, convert the arguments: return an attempt that can be called. Raises: _NotCalled."""
        try:
            payload = decode_payload(job.payload)
            signature = known.signature
            args, kwargs = signature.decode(payload)
            if signature.previous:
                args, kwargs = signature.with_previous(args, kwargs, job.previous)
            if known.is_limited and not job.limits:  # a raw envelope: only here its limits can be computed
                raise _NotCalled(not_run.throttled(job, limits=limits_text(known, args, kwargs)))
        except MalformedPayload as error:
            raise _NotCalled(not_run.malformed(job, error=str(error)[:MOST_ERROR])) from error
        except InvalidArguments as error:
            raise _NotCalled(self.classifier.misfit(job, known, error)) from error
        is_hooked = known.hooks.used or self._app.hooks.used
        return Attempt(job, known, is_hooked, self._worker_id, self._notes, args, kwargs, payload.meta)

    def _undecoded(self, job: TakenJob, known: Job[..., Any]) -> Attempt:
        """Return an attempt that did not come so far."""
        is_hooked = known.hooks.used or self._app.hooks.used
        return Attempt(job, known, is_hooked, self._worker_id, self._notes)

    def _call(self, attempt: Attempt, run: Callable[[Any], Any]) -> Any:
        """Return what the job returns, or its coroutine. ``run``: runs coroutines of hooks and of plain middlewares."""
        set_running(attempt)
        if attempt.is_hooked:
            tell_of_begin(self._app.registry.observers, attempt, self.classifier.clock_offset_ms)
            call_start_hooks(self._app, attempt, run)
        if self._app.middlewares:
            call = partial(attempt.known.function, *attempt.args, **attempt.kwargs)
            around = self._app.async_middlewares if attempt.known.is_async else self._app.middlewares
            outside = None if attempt.known.is_async else self._interrupter.outside
            return wrapped(call, around, context_of(attempt), run, outside)
        return attempt.known.function(*attempt.args, **attempt.kwargs)

    def _cleanups(self, attempt: Attempt, outcome: Outcome | None) -> Sequence[Hook]:
        """Return the cleanup hooks that are to be called before the outcome is reported."""
        hooks = cleanups_of(self._app, attempt)
        return hooks if hooks and self._may_clean_up(outcome or Outcome.done(attempt.job)) else ()

    def _told_to_hooks(self, attempt: Attempt, outcome: Outcome | None) -> Outcome | None:
        """Have the hooks hear of an attempt that began, or that its arguments may have ended for good."""
        if not attempt.known.settings.hooks and not self._app.hooks:  # only observers wanted to hear of it
            attempt.error = None
        elif attempt.context is not None or (outcome is not None and outcome.kind is Kind.MISFIT):
            outcome = outcome or Outcome.done(attempt.job)
            outcome.after = attempt
        return outcome

    def _raised(self, attempt: Attempt, error: BaseException) -> Outcome:
        if type(error) is _NotCalled:  # the class of an error can be code of the app
            outcome, cause = error.outcome, error.__cause__
        else:
            outcome, cause = self._ended_by(attempt, error), error
        if attempt.is_hooked:  # else it lived on in a circle: the error has the frames that have the attempt
            attempt.error = cause
        if cause is not None and self._on_error is not None:
            self._on_error(cause)
        return outcome

    def _ended_by(self, attempt: Attempt, error: BaseException) -> Outcome:
        try:
            if self._asked_to_end is not None and self._asked_to_end(error):
                return self.classifier.interrupted(attempt.job, error)
            return self.classifier.raised(attempt.job, attempt.known, error)
        except BaseException:  # `__class__`, say, or a back-off of the app
            return self.classifier.raised(attempt.job, attempt.known, RuntimeError(_UNSPEAKABLE))


def _leaves_notes(notes: JobReporter, job: TakenJob, outcome: Outcome | None) -> bool:
    """Whether the job has said what is to be written before its outcome is. Without a record it is dropped."""
    if not notes.has(job):
        return False
    if outcome is None:
        notes.forget(job)
    return outcome is not None


def _end_child(outcome: Outcome | None) -> None:
    """End the process that a job has forked, with a code that says whether it went well there."""
    os._exit(0 if outcome is None or outcome.kind in (Kind.DONE, Kind.KEPT) else 1)
