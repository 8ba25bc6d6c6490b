"""Looks at the limits that hold jobs back (lua/held_limits.lua). Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import count, integer, text
from jqjobs.store.scripts import script
from jqjobs.store.store import Store

#: Items of one limit in the answer.
_ITEMS = 5
#: Of more places of one limit nobody is told.
_MOST_PLACES = 20


class HeldLimit(NamedTuple):
    """A limit that holds jobs back. ``most``: how many it lets through, None: not known.

    ``is_timed``: it will be looked at again. ``left_behind``: places of jobs that no worker has in hand.
    """

    name: str
    held: int
    most: int | None
    is_timed: bool
    left_behind: int


def held_limits(queue: str) -> Call[list[HeldLimit]]:
    """Look at limits of a queue that hold jobs back, at most fifty."""
    return Call(script("held_limits"), (keys.meta(queue),), ("",), _parse, repeatable=True)


def _parse(reply: Any) -> list[HeldLimit]:
    limits = (reply[start : start + _ITEMS] for start in range(0, len(reply), _ITEMS))
    return [HeldLimit(text(name), count(held), None if most < 0 else int(most), timed == 1, count(left))
            for name, held, most, timed, left in limits]  # fmt: skip


class Place(NamedTuple):
    """A place of a limit on how many run at once, and the attempt that has it, as far as anybody knows."""

    id: str
    attempt: int


def limit_places(store: Store, limits: Sequence[tuple[str, str]]) -> list[list[Place]]:
    """Return who has the places of limits, each a queue and a name, at most twenty of each; one round trip.

    A rate has no places.
    """
    looks = [("ZRANGE", store.address.key(keys.queue(queue, f"limit:{name}")), 0, _MOST_PLACES - 1)
             for queue, name in limits]  # fmt: skip
    replies = store.wire.pipeline(looks) if looks else []
    return [[_place(text(member)) for member in reply] if isinstance(reply, list) else [] for reply in replies]


def _place(member: str) -> Place:
    job_id, _, attempt = member.partition(" ")
    return Place(job_id, integer(attempt) or 0)
