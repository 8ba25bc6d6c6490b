"""Batches: opened, closed, cancelled and looked at, in their home. What has to do with other queues is in `telling` and
`flows`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from jqjobs.errors import Conflict, NotFound
from jqjobs.jobs.flow import BatchState, BatchStatus, OnDead, Step, read_steps
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import fields, integer, text
from jqjobs.store.scripts import script

#: Who opens the batch that a list of a chain is begins so: what comes after it gets no summary (settle_batch.lua).
CHAIN = "chain"


class Opened(IntEnum):
    """What came of opening a batch (lua/open_batch.lua)."""

    OPEN = 1
    TAKEN = 0


class Closed(IntEnum):
    """What came of closing or cancelling a batch (lua/close_batch.lua, lua/cancel_batch.lua), or of retrying it."""

    DONE = 1
    TOO_LATE = 0
    UNKNOWN = -1


class MembersPage(NamedTuple):
    """Members of a batch, each "queue/id" as it was added; ``cursor``: of the next page, None after the last one.

    ``places``: where each is now, as "queue/id": it may have been moved, or be at a later step of its chain.
    """

    cursor: str | None
    members: list[str]
    places: list[str]


class Batches(NamedTuple):
    """``total``: of the queue, ``going_on`` of them not over; ``ids``: a page of them, those first that go on."""

    total: int
    going_on: int
    ids: list[str]


class BatchRecord(NamedTuple):
    """All that is known of a batch. ``then``, ``always``: what comes when all have succeeded, when all have ended.

    ``expected``: so many members are added to it before it is closed; None: it is not closed. ``is_cancelled``: its
    members are to be cancelled. ``has_ended``: all have ended once, so that ``always`` has begun. ``keep_ms``: so long
    it is known after its end. ``rejected``: which of "then" and "always" did not begin, as when a job has its id.
    """

    status: BatchStatus
    then: tuple[Step, ...]
    always: tuple[Step, ...]
    expected: int | None
    is_cancelled: bool
    has_ended: bool
    keep_ms: int | None
    rejected: tuple[str, ...]


def open_batch(
    queue: str, batch_id: str, nonce: str, on_dead: OnDead, keep_ms: int, then: bytes = b"", always: bytes = b""
) -> Call[Opened]:
    """Open a batch; ``nonce``: who does, so that it may be sent again; one of a chain begins with `CHAIN`."""
    args = ("", batch_id, nonce, on_dead.value, keep_ms, then, always)
    return Call(script("open_batch"), (keys.meta(queue),), args, Opened, repeatable=True)


def close_batch(queue: str, batch_id: str, count: int) -> Call[Closed]:
    """Close a batch to which ``count`` members were added."""
    return Call(script("close_batch"), (keys.meta(queue),), ("", batch_id, count), lambda reply: Closed(reply[0]))


def cancel_batch(queue: str, batch_id: str) -> Call[Closed]:
    """Cancel a batch; who delivers what leaves its queue then cancels its members (`flows.deliver_flow`)."""
    return Call(script("cancel_batch"), (keys.meta(queue),), ("", batch_id), Closed, repeatable=True)


def check(answer: Closed, ref: str, how: str) -> None:
    """Raise NotFound or Conflict unless it was done. ``ref``: queue/id; ``how`` it is when it is too late for that."""
    if answer is Closed.UNKNOWN:
        raise not_found(ref)
    if answer is Closed.TOO_LATE:
        raise _too_late(ref, f"{how} already")


def check_open(status: BatchStatus, *, is_closed: bool = False) -> None:
    """Raise NotFound or Conflict unless somebody may add to a batch who is no member of it.

    ``is_closed``: who asks has closed it, though it waits for members that were added before.
    """
    if status.state is BatchState.UNKNOWN:
        raise not_found(status.ref)
    if is_closed or status.state is not BatchState.OPEN:
        how = "over already" if status.is_over else "closed: nobody adds to it but its members"
        raise _too_late(status.ref, how)


def not_found(ref: str) -> NotFound:
    """Return what is raised of a batch that nobody knows."""
    hint = "`jqctl batch list` shows those that are known; what is over is forgotten after its keep"
    return NotFound(f"there is no batch {ref}", hint=hint)


def _too_late(ref: str, how: str) -> Conflict:
    return Conflict(f"batch {ref} is {how}", hint=f"jqctl batch show {ref} tells how it stands")


def batch_status(queue: str, batch_id: str) -> Call[BatchStatus]:
    """Return how far a batch is."""
    call = batch_record(queue, batch_id)
    return Call(call.script, call.keys, call.args, lambda reply: call.parse(reply).status, repeatable=True)


def batch_record(queue: str, batch_id: str) -> Call[BatchRecord]:
    """Return all that is known of a batch."""

    def parse(reply: Any) -> BatchRecord:
        known = fields(reply[0])
        then, always = (read_steps(known.get(word) or b"") for word in ("then", "always"))
        return BatchRecord(
            _status(queue, batch_id, known, *reply[1:]), then, always, integer(known.get("expected")),
            "cancelled" in known, "always_ran" in known, integer(known.get("keep")),
            tuple(word for word in ("then", "always") if f"{word}_rejected" in known),
        )  # fmt: skip

    return Call(script("batch"), (keys.meta(queue),), ("", batch_id), parse, repeatable=True)


def _status(queue: str, batch_id: str, known: dict[str, bytes], opened: int, dead: int, kept: int) -> BatchStatus:
    said = text(known.get("on_dead") or b"")
    total, expected = integer(known.get("total")) or 0, integer(known.get("expected"))
    if "over" in known:
        state = BatchState(text(known["over"]))
    elif "opened" not in known:
        state = BatchState.UNKNOWN
    elif expected is None or total < expected:
        state = BatchState.OPEN
    else:
        state = BatchState.RUNNING if opened else BatchState.WAITING
    return BatchStatus(
        queue, batch_id, state, total, opened, integer(known.get("succeeded")) or 0, dead, kept,
        OnDead(said) if said in list(OnDead) else OnDead.WAIT, integer(known.get("created")) or 0,
        integer(known.get("finished")),
    )  # fmt: skip


def batch_members(queue: str, batch_id: str, which: str, cursor: str = "0") -> Call[MembersPage]:
    """Return a page of the members that are "open", "dead" or "kept"."""

    def parse(reply: Any) -> MembersPage:
        following = text(reply[0])
        members, places = ([text(item) for item in items] for items in reply[1:])
        return MembersPage(None if following == "0" else following, members, places)

    args = ("", batch_id, which, cursor)
    return Call(script("batch_members"), (keys.meta(queue),), args, parse, repeatable=True)


def batches(queue: str, first: int = 0, most: int = 100) -> Call[Batches]:
    """Return which batches have their home in a queue, a page."""

    def parse(reply: Any) -> Batches:
        return Batches(int(reply[0]), int(reply[1]), [text(item) for item in reply[2:]])

    return Call(script("batches"), (keys.meta(queue),), ("", first, most), parse, repeatable=True)
