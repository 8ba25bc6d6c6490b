"""Tells observers of an attempt: at its begin, and with its outcome before that is reported; in its own context."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jqjobs.base import log
from jqjobs.jobs.context import context_of
from jqjobs.jobs.observers import Ending, Observer
from jqjobs.jobs.outcome import Outcome
from jqjobs.worker.attempts.attempt import Attempt


def tell_of_begin(observers: Sequence[Observer], attempt: Attempt, clock_offset_ms: int) -> None:
    """Tell that an attempt is about to be called. ``clock_offset_ms``: see `Classifier`."""
    job = attempt.job
    waited_ms = max(0, job.started_ms + clock_offset_ms - job.ready_ms) if job.ready_ms else None
    attempt.endings = tuple(_begun(observers, attempt, waited_ms))


def _begun(observers: Sequence[Observer], attempt: Attempt, waited_ms: int | None) -> Iterator[Ending]:
    for observer in observers:
        try:
            yield observer.running(context_of(attempt), waited_ms)
        except Exception:
            _say_failed(attempt)


def tell_of_end(attempt: Attempt, outcome: Outcome | None) -> None:
    """Tell how an attempt ended; those that were told of its begin last, first."""
    for ending in reversed(attempt.endings):
        try:
            ending(outcome, attempt.error)
        except Exception:
            _say_failed(attempt)
    attempt.endings = ()


def _say_failed(attempt: Attempt) -> None:
    job = context_of(attempt)
    log.event("hook.failed", level=log.ERROR, exc_info=True, hook="observer", job=job.ref, name=job.name)
