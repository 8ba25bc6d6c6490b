"""Looks at the limits that hold jobs back (lua/held_limits.lua). Writes nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import count, text
from jqjobs.store.scripts import script

#: Items of one limit in the answer.
_ITEMS = 5


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
