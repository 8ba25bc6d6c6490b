"""Schedules added at run time: in nobody's code, kept in Redis by name, found by the moment when they come.

Their entries are those of `schedules`, with two keys more: ``id``, with which the ids of their jobs begin, and
``until_ms``, their end. Others write to the same Redis: an entry that is no JSON object is None here.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls.schedules import Planned, TickAnswer, Ticked, entry_of, moment_of, progress_of
from jqjobs.store.reply_values import integer, text
from jqjobs.store.scripts import script


class AddAnswer(IntEnum):
    """What lua/add_schedule.lua answers."""

    ADDED = 1
    CHANGED = 2
    SAME = 0
    TAKEN = -1
    IN_CODE = -2
    TOO_MANY = -3


#: Why a schedule is not added, and what to do about it.
REFUSALS = {
    AddAnswer.TAKEN: (
        "there is another one of that name",
        "replace it (replace=True, --replace), or give this one another name",
    ),
    AddAnswer.IN_CODE: ("an app has one of that name in its code", "give it another name"),
    AddAnswer.TOO_MANY: ("the queue has as many as it may", "remove some"),
}


class AddedTick(NamedTuple):
    """What came of it. ``next_ms``: when the first of all is to be looked at; None: none is."""

    ticked: Ticked
    next_ms: int | None


class AddedPage(NamedTuple):
    """Some of the schedules of a queue, the next to come first; ``total``: how many there are."""

    now_ms: int
    total: int
    schedules: tuple[Planned, ...]


def add_schedule(queue: str, name: str, entry: str, *, replace: bool = False) -> Call[AddAnswer]:
    """Add a schedule, or change one. ``entry``: as JSON."""
    args = ("", name, entry, "replace" if replace else "")
    return Call(script("add_schedule"), (keys.meta(queue),), args, AddAnswer)


def remove_schedule(queue: str, name: str) -> Call[int]:
    """Remove a schedule: 1, or 0 when there is none, or -1 when that name is one in code."""
    return Call(script("remove_schedule"), (keys.meta(queue),), ("", name), int)


def added(queue: str, most: int = 1000, offset: int = 0) -> Call[AddedPage]:
    """Ask for schedules, the next to come first."""
    return Call(script("added"), (keys.meta(queue),), ("", most, offset), _parse_page, repeatable=True)


def added_by_name(queue: str, names: Sequence[str]) -> Call[AddedPage]:
    """Ask for the schedules of these names, as far as there are any."""
    return Call(script("added"), (keys.meta(queue),), ("", "", "", *names), _parse_page, repeatable=True)


def coming(queue: str, most: int) -> Call[tuple[int, list[Planned]]]:
    """Ask for the time, and the schedules whose moment has come."""

    def parse(reply: Any) -> tuple[int, list[Planned]]:
        return int(reply[0]), [_planned(*reply[at : at + 3]) for at in range(1, len(reply), 3)]

    return Call(script("coming"), (keys.meta(queue),), ("", most), parse, repeatable=True)


def tick_added(
    queue: str, name: str, since_ms: int | None, new_since_ms: int, next_ms: int | None, ticks: Sequence[int] = ()
) -> Call[AddedTick]:
    """Enqueue these ticks, unless another one did; ``next_ms`` None: it does not come again, and is forgotten."""

    def parse(reply: Any) -> AddedTick:
        return AddedTick(Ticked(TickAnswer(reply[0]), integer(reply[1]), int(reply[2])), moment_of(reply[3]))

    known, then = ("" if ms is None else ms for ms in (since_ms, next_ms))
    return Call(script("tick_added"), (keys.meta(queue),), ("", name, known, new_since_ms, then, *ticks), parse)


def _parse_page(reply: Any) -> AddedPage:
    schedules = tuple(_planned(*reply[at : at + 4]) for at in range(2, len(reply), 4))
    return AddedPage(int(reply[0]), int(reply[1]), schedules)


def _planned(name: Any, entry: Any, progress: Any, paused: Any = None) -> Planned:
    return Planned(text(name), entry_of(entry), *progress_of(progress), integer(paused), offered=True, added=True)
