"""What time, daemons and people do to a queue as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from jqjobs.base.escape import visible
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import fields, integer, text, truth
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument

#: What a queue may have of its own: for how long dead jobs are kept, ms, and how many; how many successes at most, and
#: how many jobs may wait.
SETTINGS = ("dead_ms", "max_dead", "max_kept", "max_length")
#: Of what people say with a pause, so many characters are kept.
_MOST_WHO, _MOST_REASON = 128, 500


class Retried(IntEnum):
    """What came of sending a dead job back (lua/retry.lua)."""

    READY = 1
    NOT_DEAD = 0
    KEY_TAKEN = -1


class Deleted(IntEnum):
    """What came of deleting a job (lua/delete.lua)."""

    GONE = 1
    IN_HAND = 0  #: of a worker, or of who moves it
    UNKNOWN = -1


class Emptied(NamedTuple):
    """An inbox that has been emptied. ``envelopes``: how many there were by ``now_ms``."""

    now_ms: int
    envelopes: int


@dataclass(frozen=True, slots=True)
class Housekept:
    """What a round of housekeeping found. ``more``: call again at once. ``trimmed``: dead jobs that were forgotten.

    ``mended``: keys that had the wrong type and were set aside, by whomever, in words; "" for none.
    ``undelivered``: what is for another queue, and was not taken there in time; ``leaving``: what is so by this call.
    """

    more: bool
    wait_ms: int | None
    inbox: bool
    reaped: int
    trimmed: int = 0
    mended: str = ""
    undelivered: int = 0
    leaving: bool = False


def housekeep(queue: str, lease_ms: int, max_dead: int, dead_ms: int, pause_ms: int = 0) -> Call[Housekept]:
    """Do what time does to a queue; bounded, see ``more``. ``pause_ms``: not if somebody did it so recently."""

    def parse(reply: Any) -> Housekept:
        more, wait_ms, inbox, reaped, trimmed = map(int, reply[:5])
        wait = None if wait_ms < 0 else wait_ms
        return Housekept(more == 1, wait, inbox == 1, reaped, trimmed, text(reply[5]), reply[6], reply[7] == 1)

    return Call(script("housekeep"), (keys.meta(queue),), ("", lease_ms, max_dead, dead_ms, pause_ms), parse)


def pause(queue: str, until: str = "", by: str = "", reason: str = "") -> Call[bool]:
    """Pause a queue; whether that changed something. A paused one gets another end and reason, if one is given.

    ``until``: when it resumes by itself, as `jobs.moments.due_text` writes it. ``by``: who does it.
    """
    args = ("", "pause", until, _one_line(by, _MOST_WHO), _one_line(reason, _MOST_REASON))
    return Call(script("pause"), (keys.meta(queue),), args, truth)


def resume(queue: str) -> Call[bool]:
    """Resume a paused queue; whether that changed something."""
    return Call(script("pause"), (keys.meta(queue),), ("", "resume", "", "", ""), truth)


def _one_line(said: str, most: int) -> str:
    return visible(" ".join(str(said).split()), limit=most)


def settings(queue: str, values: Mapping[str, int | None]) -> Call[dict[str, int]]:
    """Set what a queue keeps, and how much of it may wait, by the names in `SETTINGS`; None: as its daemons say.

    Returns all that is set.
    """
    words: list[Argument] = ["", *(word for name in values for word in (name, _or_empty(values[name])))]
    return Call(script("settings"), (keys.meta(queue),), words, _numbers)


def _or_empty(value: int | None) -> Argument:
    return "" if value is None else value


def _numbers(reply: Any) -> dict[str, int]:
    read = {name: integer(value) for name, value in fields(reply).items()}
    return {name: value for name, value in read.items() if value is not None}


def retry(queue: str, ids: Sequence[str]) -> Call[list[Retried]]:
    """Send dead jobs back to ready; an answer for each.

    ``ids``: each alone, or "id score": only if it has that score in `dead` still, so not when it has died anew.
    """
    return Call(
        script("retry"), (keys.meta(queue),), ("", *ids), lambda reply: [Retried(item) for item in reply[: len(ids)]]
    )


def delete(queue: str, ids: Sequence[str]) -> Call[list[Deleted]]:
    """Delete jobs that no worker has in hand, with all that is known of them; an answer for each.

    ``ids``: each alone, or "id state score": only if it has that score in that state still.
    """
    return Call(
        script("delete"), (keys.meta(queue),), ("", *ids), lambda reply: [Deleted(item) for item in reply[: len(ids)]]
    )


def empty_inbox(queue: str) -> Call[Emptied]:
    """Delete all raw envelopes that are there, unread: at once, however many come meanwhile."""
    return Call(script("empty_inbox"), (keys.meta(queue),), ("",), lambda reply: Emptied(*reply))


def promote(queue: str, ids: Sequence[str]) -> Call[list[bool]]:
    """Make scheduled jobs due now; for each id whether it was scheduled."""
    return Call(script("promote"), (keys.meta(queue),), ("", *ids), lambda reply: [item == 1 for item in reply])


def add_queues(queues: Sequence[str]) -> Call[int]:
    """Add queues to the known ones."""
    return Call(script("add_queues"), (keys.QUEUES,), ("", *queues), int, repeatable=True)
