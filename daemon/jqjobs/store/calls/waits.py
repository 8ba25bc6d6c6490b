"""Async wait: a token recorded by the attempt that hands its work over, and the answer that somebody sends."""

from __future__ import annotations

from jqjobs.errors import Conflict, NotFound
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import text
from jqjobs.store.scripts import script

#: Answers of `resolve` that took effect: the job has ended its wait, or will as soon as it begins to wait.
RESOLVED, EARLY = "resolved", "early"
#: Others say why not; any other word is the state the job is in.
UNKNOWN, LATE, WRONG_TOKEN, ANSWERED = "unknown", "late", "token", "answered"


def check(answer: str, reference: str) -> None:
    """Raise NotFound or Conflict unless an answer of `resolve` took effect. ``reference``: queue/id."""
    if answer in (RESOLVED, EARLY):
        return
    if answer == UNKNOWN:
        raise NotFound(f"there is no job {reference}")
    why = {
        LATE: f"{reference} does not wait any more: its deadline has passed",
        WRONG_TOKEN: f"that is not the token which {reference} has recorded",
        ANSWERED: f"{reference} has its answer already, and will take it when it begins to wait",
    }
    hint = "a running job takes an answer only with the token that it has recorded" if answer == "active" else ""
    raise Conflict(why.get(answer, f"{reference} is {answer}, not waiting for an answer"), hint=hint)


def expect(queue: str, worker: str, job_id: str, attempt: int, token: str) -> Call[bool]:
    """Record the token of a running attempt; False when it does not have the job in hand any more."""
    args = ("", worker, job_id, attempt, token)
    return Call(script("expect"), (keys.meta(queue),), args, lambda reply: reply == 1, repeatable=True)


def resolve(queue: str, job_id: str, token: str, *, result: bytes = b"null", error: str | None = None) -> Call[str]:
    """Answer for a job: with a result, as JSON, or with an error. Returns one of the words above.

    Not repeatable: the second one would be told that the first one has used up the token.
    """
    kind, payload = ("result", result) if error is None else ("failed", error.encode("utf-8", "backslashreplace"))
    return Call(
        script("resolve"), (keys.meta(queue),), ("", job_id, token, kind, payload), lambda reply: text(reply[0])
    )
