"""How one attempt ended, as its worker reports it. One constructor a kind, with the fields that this kind has.

Those that did not run the function are made in `not_run`.
`store.calls.trips` puts it into the words of the exchange script; lua/rules/trip/outcomes.lua
says what becomes of the job.
"""

from __future__ import annotations

from typing import Any

import msgspec

from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob


class Outcome(msgspec.Struct):  # one a job, unless it was a plain success: made in half the time of a dataclass
    """The end of one attempt of ``job``. Fields that its kind does not have are 0 or empty.

    A plain success, of a job that has no result to keep and no hooks, is no outcome at all: `Batch.finish`.
    """

    job: TakenJob
    kind: Kind
    #: Until the next attempt, if there is one.
    delay_ms: int = 0
    #: What went wrong, in one line, and the entry of the job's history that tells more (JSON).
    error: str = ""
    line: bytes = b""
    #: Of an error that the job raised: which ones are the same (jobs/fingerprints.py).
    group: str = ""
    #: Of a failure: whether it makes the job dead, by the rule of lua/rules/outcome/fail.lua; where it came from; and
    #: if it is the last one, the error itself, until it has been logged.
    is_last: bool = False
    traceback: str = ""
    raised: BaseException | None = None
    #: What the job returned, as JSON; or why that is not there.
    result: bytes = b""
    missing: str = ""
    #: How long the job waits for its answer.
    wait_ms: int = 0
    #: The job's limits, as they are stored.
    limits: str = ""
    #: What the arguments do not fit, and whether their producer has checked them against a signature of its own.
    signature: str = ""
    is_checked: bool = True
    #: What hooks are told once it is recorded, a `worker.attempts.attempt.Attempt`; None: there are none.
    after: Any = None

    @classmethod
    def done(cls, job: TakenJob, *, result: bytes = b"") -> Outcome:
        """It succeeded, and nobody wants the result but what comes after it. What it has of keys and limits is free."""
        return cls(job, Kind.DONE, result=result)

    @classmethod
    def kept(cls, job: TakenJob, *, result: bytes = b"", missing: str = "") -> Outcome:
        """It succeeded, and the result is kept for ``job.keep_ms``; ``missing``: why it cannot be."""
        return cls(job, Kind.KEPT, result=result, missing=missing)

    @classmethod
    def failed(
        cls, job: TakenJob, *, delay_ms: int, error: str, line: bytes, group: str = "", is_last: bool = False
    ) -> Outcome:  # fmt: skip
        """It raised. The job is tried again unless this was the last attempt."""
        return cls(job, Kind.FAILED, delay_ms, error, line, group, is_last)

    @classmethod
    def hung(cls, job: TakenJob, *, delay_ms: int, error: str, line: bytes, is_last: bool = False) -> Outcome:
        """It ran longer than its time limit: a failure."""
        return cls(job, Kind.HUNG, delay_ms, error, line, is_last=is_last)

    @classmethod
    def discarded(cls, job: TakenJob, *, error: str, line: bytes, group: str = "") -> Outcome:
        """It raised `Discard`: the job is dead."""
        return cls(job, Kind.DISCARDED, 0, error, line, group)

    @classmethod
    def cancelled(cls, job: TakenJob, *, error: str, line: bytes) -> Outcome:
        """Somebody has cancelled the job while it ran: it is dead."""
        return cls(job, Kind.CANCELLED, 0, error, line)

    @classmethod
    def interrupted(cls, job: TakenJob, *, error: str, line: bytes) -> Outcome:
        """The worker had to stop. The job is ready again, in its old place."""
        return cls(job, Kind.INTERRUPTED, 0, error, line)

    @classmethod
    def waiting(cls, job: TakenJob, *, wait_ms: int, delay_ms: int) -> Outcome:
        """It handed its work to a third party. ``delay_ms``: of the next attempt, if the answer is an error or none."""
        return cls(job, Kind.WAITING, delay_ms, wait_ms=wait_ms)

    @classmethod
    def snoozed(cls, job: TakenJob, *, delay_ms: int, error: str) -> Outcome:
        """It asked to run later: it is due again then, in its old place, at no charge."""
        return cls(job, Kind.SNOOZED, delay_ms, error)
