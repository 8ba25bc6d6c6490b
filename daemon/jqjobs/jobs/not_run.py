"""How an attempt ended that did not run the function: one constructor a kind, see `Outcome` for those that did."""

from __future__ import annotations

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob


def released(job: TakenJob) -> Outcome:
    """It was not started. The job is ready again, in its old place."""
    return Outcome(job, Kind.RELEASED)


def deferred(job: TakenJob, *, delay_ms: int) -> Outcome:
    """It cannot run here now, and did not: it is due again later, in its old place."""
    return Outcome(job, Kind.DEFERRED, delay_ms)


def throttled(job: TakenJob, *, limits: str) -> Outcome:
    """It came as an envelope, without ``limits``; now that they are known, they are to be kept first."""
    return Outcome(job, Kind.THROTTLED, limits=limits)


def unknown(job: TakenJob) -> Outcome:
    """Nothing is registered here under its name: a worker that knows it is to take it."""
    return Outcome(job, Kind.UNKNOWN)


def misfit(
    job: TakenJob, *, park_ms: int, signature: str, is_checked: bool, error: str, line: bytes
) -> Outcome:  # fmt: skip
    """Its arguments do not fit the function as it is here: a worker that has another one is to take it.

    ``park_ms``: how long it may wait for that. ``is_checked`` False: dead at once if there is no such worker now.
    """
    return Outcome(job, Kind.MISFIT, park_ms, error, line, signature=signature, is_checked=is_checked)


def malformed(job: TakenJob, *, error: str) -> Outcome:
    """Its payload is no JSON, or no call: the job goes to the rejected envelopes."""
    return Outcome(job, Kind.MALFORMED, 0, error)


def oversized(job: TakenJob, *, error: str, line: bytes) -> Outcome:
    """It needs more memory than this machine will ever have, and did not run: the job is dead."""
    return Outcome(job, Kind.OVERSIZED, 0, error, line)
