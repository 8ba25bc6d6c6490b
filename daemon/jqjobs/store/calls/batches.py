"""Batches: opened, closed, cancelled, retried, looked at; and what is told of their members from one queue to another.

No script needs two queues: what a batch in another queue is to hear waits in `notices`, for whoever takes it there.

    notices   from   what is to be told is read
    notify    home   it is told; late, twice or in another order is harmless
    noticed   from   it need not be told again
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from enum import IntEnum
from itertools import groupby
from typing import Any, NamedTuple

from jqjobs.errors import StoreError
from jqjobs.jobs.flow import BatchState, BatchStatus, OnDead, Step, read_steps
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls.cancels import CancelAnswer, cancel
from jqjobs.store.calls.upkeep import Retried, retry
from jqjobs.store.reply_values import fields, integer, text
from jqjobs.store.scripts import script
from jqjobs.store.steps import Failures, Steps

#: What a notice begins with that has members of a batch cancelled: "~cancel batch sweep" (lua/notices.lua).
_CANCEL = "~cancel "


class Opened(IntEnum):
    """What came of opening a batch (lua/open_batch.lua)."""

    OPEN = 1
    TAKEN = 0


class Closed(IntEnum):
    """What came of closing or cancelling a batch (lua/close_batch.lua, lua/cancel_batch.lua), or of retrying it."""

    DONE = 1
    TOO_LATE = 0
    UNKNOWN = -1


class RetriedMembers(NamedTuple):
    """Dead members that were sent back to ready. ``key_taken``: so many stay dead, since a newer job has their key.

    ``batch``: what came of asking for it; unless it is DONE, nothing was sent back.
    """

    batch: Closed
    retried: int = 0
    key_taken: int = 0


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
    it is known after its end.
    """

    status: BatchStatus
    then: tuple[Step, ...]
    always: tuple[Step, ...]
    expected: int | None
    is_cancelled: bool
    has_ended: bool
    keep_ms: int | None


def open_batch(
    queue: str, batch_id: str, nonce: str, on_dead: OnDead, keep_ms: int, then: bytes = b"", always: bytes = b""
) -> Call[Opened]:
    """Open a batch; ``nonce``: who does, so that it may be sent again."""
    args = ("", batch_id, nonce, on_dead.value, keep_ms, then, always)
    return Call(script("open_batch"), (keys.meta(queue),), args, Opened, repeatable=True)


def close_batch(queue: str, batch_id: str, count: int) -> Call[Closed]:
    """Close a batch to which ``count`` members were added."""
    return Call(script("close_batch"), (keys.meta(queue),), ("", batch_id, count), Closed)


def cancel_batch(queue: str, batch_id: str) -> Call[Closed]:
    """Cancel a batch; `deliver_notices` of its queue then cancels its members."""
    return Call(script("cancel_batch"), (keys.meta(queue),), ("", batch_id), Closed, repeatable=True)


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


def cancelling(queue: str, batch_id: str) -> Steps[Closed]:
    """Cancel a batch and its members; what is not done then a daemon does."""
    answer: Closed = yield cancel_batch(queue, batch_id)
    if answer is Closed.DONE:
        yield from deliver_notices(queue)
    return answer


def retrying(queue: str, batch_id: str) -> Steps[RetriedMembers]:
    """Send all dead members of a batch that is not over back to ready, whatever they died of."""
    status: BatchStatus = yield batch_status(queue, batch_id)
    if status.state is BatchState.UNKNOWN or status.is_over:
        return RetriedMembers(Closed.TOO_LATE if status.is_over else Closed.UNKNOWN)
    cursor: str | None = "0"
    came_of = Counter[Retried]()
    while cursor is not None:
        cursor, _, places = yield batch_members(queue, batch_id, "dead", cursor)
        for where, ids in _by_queue(places):
            came_of.update((yield retry(where, ids)))
            if where != queue:
                yield from _try_to_deliver(where)
    return RetriedMembers(Closed.DONE, came_of[Retried.READY], came_of[Retried.KEY_TAKEN])


def _try_to_deliver(queue: str) -> Steps[None]:
    """Tell the batch now; where that cannot be, a daemon does."""
    with suppress(StoreError):
        yield from deliver_notices(queue)


def _by_queue(places: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each queue of these "queue/id", with the ids that are there."""
    for where, group in groupby(sorted(places), lambda place: place.partition("/")[0]):
        yield where, [place.partition("/")[2] for place in group]


def notices(queue: str, age_ms: int = 0, but: Iterable[str] = ()) -> Call[list[str]]:
    """Read what is to be told to batches in other queues since ``age_ms``, all ``but`` these queues."""
    return Call(script("notices"), (keys.meta(queue),), ("", age_ms, *but), lambda reply: list(map(text, reply)))


def notify(home: str, told: Sequence[str]) -> Call[int]:
    """Tell batches of ``home`` what has become of members. Done twice, it does no more than done once."""
    return Call(script("notify"), (keys.meta(home),), ("", *told), int, repeatable=True)


def noticed(queue: str, told: Sequence[str]) -> Call[int]:
    """Note that this has been told; how much of it was still to be."""
    return Call(script("noticed"), (keys.meta(queue),), ("", *told), int, repeatable=True)


def deliver_notices(queue: str, age_ms: int = 0, until_s: float = math.inf) -> Steps[int]:
    """Tell batches what they are to hear, and cancel members of those that are cancelled; how much was done.

    ``until_s``: nobody is told after the first failure past it, monotonic, s. Raises: StoreError, at the end, see
    `bringing.deliver_flow`.
    """
    told, before, failures = 0, -1, Failures(until_s)
    while not failures.has_ended and before < len(failures.places):
        before = len(failures.places)
        waiting: list[str] = yield notices(queue, age_ms, sorted(failures.places))
        for home, group in groupby(sorted(waiting, key=_home), _home):
            try:
                told += yield from _tell(queue, home, list(group), until_s)
            except StoreError as error:  # a node that is down, maybe: the others hear of theirs
                if failures.note(home, error):
                    break
    failures.raise_first()
    return told


def _tell(queue: str, home: str, bundle: list[str], until_s: float) -> Steps[int]:
    if home:
        yield notify(home, bundle)
    else:
        bundle = yield from _cancel_members(queue, bundle, until_s)
    told: int = (yield noticed(queue, bundle)) if bundle else 0
    if home and any(notice.rpartition(" ")[2].startswith("dead") for notice in bundle):
        cancels = [notice for notice in (yield notices(home)) if not _home(notice)]
        if cancels:  # a batch is not to go on without its dead member
            yield from _tell(home, "", cancels, until_s)
    return told


def _home(notice: str) -> str:
    """Return the queue that a notice goes to, "" for the one that it lies in."""
    return "" if notice.startswith(_CANCEL) else notice.lstrip("+").partition("/")[0]


def _cancel_members(queue: str, bundle: Sequence[str], until_s: float) -> Steps[list[str]]:
    """Cancel the open members of batches; return the notices of those that need no second look."""
    done: list[str] = []
    for batch_id, group in groupby(sorted(bundle), lambda notice: notice.split(" ")[1]):
        if (yield from _cancel_open(queue, batch_id, until_s)):
            done += group
    return done


def _cancel_open(queue: str, batch_id: str, until_s: float) -> Steps[bool]:
    cursor: str | None = "0"
    is_done, failures = True, Failures(until_s)
    while cursor is not None and not failures.has_ended:
        cursor, _, places = yield batch_members(queue, batch_id, "open", cursor)
        for where, ids in _by_queue(places):
            if failures.has_ended or where in failures.places:
                continue
            try:
                answers = yield cancel(where, ids)
                is_done = is_done and CancelAnswer.MOVING not in answers
                if where != queue:
                    yield from _tell_home(where, queue)
            except StoreError as error:  # the others are cancelled
                failures.note(where, error)
    failures.raise_first()
    return is_done


def _tell_home(queue: str, home: str) -> Steps[None]:
    """Tell this home what it is to hear from another queue; of others' a daemon, or who settles there, takes care."""
    if told := [notice for notice in (yield notices(queue)) if _home(notice) == home]:
        yield notify(home, told)
        yield noticed(queue, told)
