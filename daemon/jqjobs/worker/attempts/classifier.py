"""Says what is reported of an attempt: of what the job returned, or of what ended it, in words and within bounds."""

from __future__ import annotations

import contextlib
import os
import random
import traceback
from itertools import chain, islice
from types import AsyncGeneratorType, CoroutineType, GeneratorType, TracebackType
from typing import Any, TypedDict

import msgspec

from jqjobs.api.app import Job
from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.base.sizes import format_size
from jqjobs.errors import (
    ConfigError,
    Discard,
    InvalidArguments,
    InvalidOption,
    JobCancelled,
    JobInterrupted,
    JobTimeout,
    ResultNotRun,
    Retry,
)
from jqjobs.jobs import hooks, not_run
from jqjobs.jobs.backoff import backoff_of, bounded_ms
from jqjobs.jobs.context import Waiting
from jqjobs.jobs.fingerprints import class_path, fingerprint
from jqjobs.jobs.flow import MAX_PREVIOUS_BYTES, Flow
from jqjobs.jobs.moments import wait_ms
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.payload import has_nonfinite, is_envelope
from jqjobs.jobs.records import MAX_PAYLOAD_BYTES, MOST_HUNG
from jqjobs.jobs.snooze import Snooze
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.attempt import Attempt, most_attempts
from jqjobs.worker.attempts.reasons import REASONS, ended_while_told, told_in

MOST_ERROR = 1000
_MOST_TRACEBACK = 16 * 1024
#: Where the frames lie that are around every job.
_OWN = (os.path.join(os.path.dirname(__file__), ""), hooks.__file__)

#: What does its work when somebody awaits it or goes through it.
_NOT_BEGUN = (CoroutineType, GeneratorType, AsyncGeneratorType)
_MANAGERS = (contextlib._GeneratorContextManager, contextlib._AsyncGeneratorContextManager)
_LAZY = (*_NOT_BEGUN, *_MANAGERS, map, filter, zip, enumerate)
_CONTAINERS = (list, tuple, set, dict)
#: So many parts of a result are looked at in each layer, and so many layers.
_MOST_PARTS, _DEEPEST = 20, 3


class _Words(TypedDict):
    """What an outcome says of an error."""

    error: str
    line: bytes


class Classifier:
    """Makes outcomes. History lines carry times of the Redis clock."""

    def __init__(self, worker_id: str, rng: random.Random, park_ms: int = 0) -> None:
        """``park_ms``: how long a job may wait for a worker that its arguments fit."""
        self._worker_id = worker_id
        self._rng = rng
        self._park_ms = park_ms
        #: What to add to `monotonic_ms` to get the time of Redis.
        self.clock_offset_ms = 0

    def returned(self, attempt: Attempt, result: Any) -> Outcome | None:
        """Return the outcome of a job that returned ``result``; None: a success with nothing to say.

        Raises: ResultNotRun.
        """
        job = attempt.job
        if result is not None:
            _check_has_run(result)
        if attempt.is_hooked:
            attempt.result = result
        if isinstance(result, Waiting):
            return Outcome.waiting(job, wait_ms=result.timeout_ms, delay_ms=self._backoff_ms(job, attempt.known))
        if job.keep_ms is not None:
            return kept(job, result)
        if job.flow:
            return Outcome.done(job, result=_passed_on(job, result))
        return Outcome.done(job) if job.key else None

    def raised(self, job: TakenJob, known: Job[..., Any], error: BaseException) -> Outcome:
        """Return the outcome of a job that was called and raised, or had an error raised in it."""
        is_discarded = isinstance(error, Discard) or known.settings.verdicts.discards(error)
        is_verdict = is_discarded or isinstance(error, (Retry, Snooze))
        if not is_verdict and ended_while_told(error, JobInterrupted):
            return self.interrupted(job, error)
        if not is_verdict and ended_while_told(error, JobCancelled):
            return Outcome.cancelled(job, **self._words(job, "cancelled", error))
        if isinstance(error, Snooze):
            return self._snoozed(job, known, error)
        return self.discarded(job, error) if is_discarded else self._failed(job, known, error)

    def _failed(self, job: TakenJob, known: Job[..., Any], error: BaseException) -> Outcome:
        delay_ms, trace = self._delay_ms(job, known, error), traceback_of(error)
        is_hung = isinstance(told_in(error), JobTimeout)
        words = self._words(job, "hung" if is_hung else "failed", error, trace)
        is_last = _is_last(job, known, is_hung=is_hung)
        if is_hung:
            outcome = Outcome.hung(job, delay_ms=delay_ms, is_last=is_last, **words)
        else:
            group = _group(job, error, words)
            outcome = Outcome.failed(job, delay_ms=delay_ms, is_last=is_last, group=group, **words)
        outcome.traceback, outcome.raised = trace, error if is_last else None
        return outcome

    def _snoozed(self, job: TakenJob, known: Job[..., Any], error: Snooze) -> Outcome:
        if job.snoozes < known.settings.max_snoozes:
            return Outcome.snoozed(job, delay_ms=self._delay_ms(job, known, error), error=describe(error))
        words = self._words(job, "failed", error)
        words["error"] = f"{words['error']} (it has snoozed {job.snoozes} times, which is max_snoozes)"[:MOST_ERROR]
        return Outcome.discarded(job, group=_group(job, error, words), **words)

    def interrupted(self, job: TakenJob, error: BaseException) -> Outcome:
        """Return the outcome of a job that ended because its worker is to end."""
        return Outcome.interrupted(job, **self._words(job, "interrupted", error))

    def discarded(self, job: TakenJob, error: BaseException) -> Outcome:
        """Return the outcome of a job that no further attempt would help."""
        words = self._words(job, "failed", error)
        return Outcome.discarded(job, group=_group(job, error, words), **words)

    def misfit(self, job: TakenJob, known: Job[..., Any], error: InvalidArguments) -> Outcome:
        """Return the outcome of a job whose arguments do not fit the function as it is here."""
        return not_run.misfit(
            job, park_ms=self._park_ms, signature=known.signature.digest, is_checked=not is_envelope(job.payload),
            **self._words(job, "failed", error),
        )  # fmt: skip

    def oversized(self, job: TakenJob, most_bytes: int) -> Outcome:
        """Return the outcome of a job that this machine can never give the memory it was registered with."""
        need, most = format_size(job.memory_bytes), format_size(most_bytes)
        error = MemoryError(f"the job needs {need} of memory, and at most {most} can ever be free here")
        return not_run.oversized(job, **self._words(job, "oversized", error))

    def _delay_ms(self, job: TakenJob, known: Job[..., Any], error: BaseException) -> int:
        if isinstance(error, (Retry, Snooze)) and error.delay is not None:
            try:
                return wait_ms(error.delay, f"{type(error).__name__} delay", monotonic_ms() + self.clock_offset_ms)
            except (InvalidOption, ConfigError) as wrong:
                log.event(
                    "job.bad_retry_delay",
                    level=log.WARNING,
                    job=f"{job.queue}/{job.id}",
                    name=job.name,
                    error=str(wrong),
                )
        return self._backoff_ms(job, known)

    def _backoff_ms(self, job: TakenJob, known: Job[..., Any]) -> int:
        try:
            return bounded_ms(known.settings.backoff.delay_ms(job.failures + 1, self._rng))
        except BaseException as wrong:  # a rule of the user's own
            log.event(
                "job.bad_backoff", level=log.WARNING, job=f"{job.queue}/{job.id}", name=job.name, error=describe(wrong)
            )
            return backoff_of(None).delay_ms(job.failures + 1, self._rng)

    def _words(self, job: TakenJob, reason: str, error: BaseException, trace: str | None = None) -> _Words:
        text, offset_ms = describe(error), self.clock_offset_ms
        trace = traceback_of(error) if trace is None else trace
        line = msgspec.json.encode({
            "attempt": job.attempt, "reason": reason, "error": text, "error_class": class_path(error),
            "traceback": trace, "worker": self._worker_id,
            "started_ms": job.started_ms + offset_ms, "ended_ms": monotonic_ms() + offset_ms,
        })  # fmt: skip
        return {"error": text, "line": line}


def _group(job: TakenJob, error: BaseException, words: _Words) -> str:
    return fingerprint(job.name, class_path(error), words["error"])


def _is_last(job: TakenJob, known: Job[..., Any], *, is_hung: bool) -> bool:
    """Whether this failure makes the job dead, as the store decides it (lua/rules/outcome/fail.lua)."""
    return job.failures + 1 >= most_attempts(job, known) or (is_hung and job.hung + 1 >= MOST_HUNG)


def kept(job: TakenJob, result: Any) -> Outcome:
    """Return the success of a job whose result is kept, as JSON, or why there is none."""
    try:
        encoded = msgspec.json.encode(result)
        is_lossy = b"null" in encoded and has_nonfinite(msgspec.to_builtins(result))
    except REASONS:
        raise
    except BaseException as error:  # encoding calls user code (dataclasses, __str__); the job succeeded all the same
        return Outcome.kept(job, missing=f"the result cannot be stored as JSON: {describe(error)}")
    if is_lossy:  # it would be read as null
        return Outcome.kept(job, missing="the result cannot be stored as JSON: that has no NaN and no infinity")
    if len(encoded) > MAX_PAYLOAD_BYTES:
        return Outcome.kept(job, missing=f"the result takes {len(encoded)} bytes as JSON, more than 1 MiB")
    return Outcome.kept(job, result=encoded)


def _passed_on(job: TakenJob, result: Any) -> bytes:
    """Return what the step after a job is told that it has returned, as JSON; nothing where there is none."""
    if Flow.THEN not in job.flow:
        return b""
    encoded = kept(job, result).result
    return encoded if len(encoded) <= MAX_PREVIOUS_BYTES else b""


def _check_has_run(result: Any) -> None:
    """Raise ResultNotRun if a job has only made what was to do its work, or a list of such things."""
    kind = type(result)
    if kind in _CONTAINERS:
        left = _not_begun_within(result)
    else:
        left = [result] if _is_lazy(kind) else []
    if not left:
        return
    for each in left:
        if type(each) is CoroutineType:
            each.close()  # nobody awaits it any more
    what = f"a {_type_name(left[0])}" + (f" in a {kind.__name__}" if left[0] is not result else "")
    raise ResultNotRun(
        f"the job returned {what}, and of that nothing has run, or has to have",
        hint="await it in the job, or go through it there",
    )


def _not_begun_within(result: Any) -> list[Any]:
    parts = [result]
    for _ in range(_DEEPEST):
        inner = (part.values() if type(part) is dict else part for part in parts if type(part) in _CONTAINERS)
        parts = list(islice(chain.from_iterable(inner), _MOST_PARTS))
        if left := [part for part in parts if issubclass(type(part), _NOT_BEGUN)]:
            return left
    return []


def _is_lazy(kind: type) -> bool:
    if issubclass(kind, _LAZY) or kind.__module__ == "itertools":
        return True
    return any(hasattr(kind, name) for name in ("__await__", "add_done_callback"))


def describe(error: BaseException) -> str:
    """Return ``Type: message``, bounded, whatever the exception's own ``__str__`` does, or the name of its type."""
    name = _type_name(error)
    try:
        message = str(error)
    except BaseException:
        message = "(its __str__ raised)"
    text = f"{name}: {message}" if message else name
    return text.encode("utf-8", "backslashreplace").decode()[:MOST_ERROR]


def _type_name(value: object) -> str:
    return str(type.__dict__["__name__"].__get__(type(value)))  # the real one, whatever its metaclass makes of it


def frames_of(error: BaseException) -> TracebackType | None:
    """Return the job's part of the stack, which is what people look for."""
    frames = _traceback_of(error)
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN):
        frames = frames.tb_next
    return frames


def _traceback_of(error: BaseException) -> TracebackType | None:
    found: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(
        error
    )  # whatever the error's own does
    return found


def traceback_of(error: BaseException) -> str:
    """Return where in the job the error came from, bounded."""
    try:
        text = "".join(traceback.format_exception(type(error), error, frames_of(error)))
    except BaseException:  # it calls what the error has of its own
        text = describe(error)
    return text.encode("utf-8", "backslashreplace").decode()[-_MOST_TRACEBACK:]
