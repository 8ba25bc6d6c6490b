"""What is reported of an attempt that ended: its result or its error, in words and within bounds."""

from __future__ import annotations

import os
import traceback
from typing import Any

import msgspec

from jqjobs.jobs import hooks
from jqjobs.jobs.records import MAX_PAYLOAD_BYTES, Kind, Outcome, TakenJob
from jqjobs.worker.attempts.hook_calls import Ended

MOST_ERROR = 1000
_MOST_TRACEBACK = 16 * 1024
#: Where the frames lie that are around every job.
_OWN = (os.path.join(os.path.dirname(__file__), ""), hooks.__file__)

#: What the history of a job calls the kinds of its ends.
REASONS = {
    Kind.FAILED: "failed",
    Kind.HUNG: "hung",
    Kind.DISCARDED: "failed",
    Kind.INTERRUPTED: "interrupted",
    Kind.OVERSIZED: "oversized",
    Kind.CANCELLED: "cancelled",
}


def for_hooks(job: TakenJob, ended: Ended, outcome: Outcome | None) -> Outcome | None:
    """Have the hooks hear of an attempt that began, or that its arguments have ended for good."""
    if ended.job is not None or (outcome and outcome.kind is Kind.DISCARDED):
        outcome = outcome or outcome_of(job, Kind.DONE)
        outcome.after = ended
    return outcome


def end_child(outcome: Outcome | None) -> None:
    """End the process that a job has forked, with a code that says whether it went well there."""
    os._exit(0 if outcome is None or outcome.kind in (Kind.DONE, Kind.KEPT) else 1)


def outcome_of(job: TakenJob, kind: Kind, *, number: int = 0, text: str = "", line: bytes = b"") -> Outcome:
    """Return how an attempt of ``job`` ended."""
    return Outcome(job.queue, job.id, job.attempt, kind, number, text, line)


def kept(job: TakenJob, result: Any) -> Outcome:
    """Return the success of a job whose result is kept, as JSON, or why there is none."""
    try:
        line, missing = msgspec.json.encode(result), ""
    except Exception as error:  # encoding calls user code (dataclasses, __str__); the job succeeded all the same
        line, missing = b"", f"the result cannot be stored as JSON: {describe(error)}"
    if len(line) > MAX_PAYLOAD_BYTES:
        line, missing = b"", f"the result takes {len(line)} bytes as JSON, more than 1 MiB"
    return outcome_of(job, Kind.KEPT, number=job.keep_ms or 0, text=missing, line=line)


def describe(error: BaseException) -> str:
    """Return ``Type: message``, bounded, whatever the exception's own ``__str__`` does."""
    try:
        message = str(error)
    except Exception:
        message = "(its __str__ raised)"
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text.encode("utf-8", "backslashreplace").decode()[:MOST_ERROR]


def traceback_of(error: BaseException) -> str:
    """Return where in the job the error came from, bounded."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN):
        frames = frames.tb_next  # the job's part of the stack is what people look for
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:
        text = describe(error)
    return text.encode("utf-8", "backslashreplace").decode()[-_MOST_TRACEBACK:]
