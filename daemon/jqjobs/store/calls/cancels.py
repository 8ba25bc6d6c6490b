"""Cancelling: asked for by people, heard by the daemons whose workers have the job in hand."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import text
from jqjobs.store.scripts import script


class CancelAnswer(StrEnum):
    """What cancelling a job has come to."""

    CANCELLED = "cancelled"  #: it waited, and is dead
    CANCELLING = "cancelling"  #: a worker has it in hand, and ends it; unless it succeeds first it is dead then
    FINISHED = "finished"  #: it is dead or kept already
    UNKNOWN = "unknown"  #: there is no such job
    MOVING = "moving"  #: it is on its way to another queue, for a moment, and goes on there


#: As lua/cancel.lua says it.
_ANSWERS = {
    1: CancelAnswer.CANCELLED,
    2: CancelAnswer.CANCELLING,
    0: CancelAnswer.FINISHED,
    -1: CancelAnswer.UNKNOWN,
    3: CancelAnswer.MOVING,
}


class Cancelled(NamedTuple):
    """A job in the hands of a worker that is to end."""

    worker_id: str
    id: str
    attempt: int


class BusyNews(NamedTuple):
    """What workers hear that are busy. ``inbox``: whether envelopes wait."""

    inbox: bool
    jobs: list[Cancelled]


def cancel(queue: str, ids: Sequence[str]) -> Call[list[CancelAnswer]]:
    """Cancel jobs of one queue. ``ids``: each alone, or "id worker" where the holder is known."""
    return Call(
        script("cancel"), (keys.meta(queue),), ("", *ids), lambda reply: [_ANSWERS[item] for item in reply[: len(ids)]]
    )


def cancels(queue: str, workers: Sequence[str]) -> Call[BusyNews]:
    """Ask which jobs that these workers have in hand are to end, and whether envelopes wait."""

    def parse(reply: Any) -> BusyNews:
        inbox, *flat = reply
        jobs = [Cancelled(text(flat[i]), text(flat[i + 1]), int(flat[i + 2])) for i in range(0, len(flat), 3)]
        return BusyNews(inbox == 1, jobs)

    return Call(script("cancels"), (keys.meta(queue),), ("", *workers), parse, repeatable=True)
