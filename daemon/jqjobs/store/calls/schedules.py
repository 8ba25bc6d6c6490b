"""Schedules in Redis: published by workers, read and ticked by daemons, listed and paused by people.

An entry is a JSON object: ``job``, ``payload`` (text), ``priority``, ``fields`` (of the job hash, flat), ``overlap``,
and what `jobs.timetable` reads: ``cron`` and ``tz`` or ``every_ms``, ``missed``, ``catch_up_ms``. Others write to
the same Redis: an entry that is no JSON object is None here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import integer, json_or_none, text
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument

#: For who reads that several apps publish one schedule.
CLASH_HINT = "each tick runs in one of them only; give each app its JQ_PREFIX, or one of the schedules another name"
#: For who reads that one of that name was added at run time, before an app had it in its code.
DOUBLE_HINT = "both come; give it another name in the code, or remove the other: jqctl schedule remove"
#: "since ran id", as lua/rules/periodic.lua reads it.
_PROGRESS = re.compile(r"([0-9]{1,14}) ([0-9]+) ?(\S*)")
#: Items of one schedule in the answer of lua/agenda.lua.
_FIELDS = 7


class TickAnswer(IntEnum):
    """The first item in the answer of lua/tick.lua."""

    TAKEN = 0
    DONE = 1
    ENDED = 2
    PAUSED = 3
    EARLY = 4
    GONE = 5


class Planned(NamedTuple):
    """One schedule. ``since_ms``: its ticks after that are still to come, None when that is not known.

    ``ran_ms``: the last tick that was enqueued, as job ``ran_id``. ``offered``: a live worker has it in its code.
    ``apps``: of which apps, as --app names them; more than one do not know of each other. ``added``: at run time; no
    code has it, and it counts as offered. ``has_double``: it is in code, and another one of its name was added.
    """

    name: str
    entry: dict[str, Any] | None
    since_ms: int | None
    ran_ms: int | None
    ran_id: str
    paused_ms: int | None
    offered: bool
    apps: tuple[str, ...] = ()
    added: bool = False
    has_double: bool = False


class Agenda(NamedTuple):
    """The schedules in code of a queue, None when nothing has changed. ``number`` grows with every change.

    ``added_ms``: when the first of those added at run time is to be looked at; None: none is. ``other_ms``: for how
    long another daemon has said that it ticks here; 0: the one that asks does.
    """

    now_ms: int
    number: int
    schedules: tuple[Planned, ...] | None
    added_ms: int | None = None
    other_ms: int = 0


class Ticked(NamedTuple):
    """What came of ticks. ``since_ms``: as of `Planned`, now. ``made``: how many made a job, or replaced one."""

    answer: TickAnswer
    since_ms: int | None
    made: int


def offers(queue: str, name: str, app: str) -> tuple[str, str]:
    """Return how a worker of an app offers a schedule among the names of its jobs."""
    return f"~{queue}/{name}", f"~{queue}/{name} {app}"


def plan(queue: str, lease_ms: int, app: str, entries: Mapping[str, str]) -> Call[int]:
    """Publish the schedules that an app has in one queue: name → entry as JSON."""
    args: list[Argument] = ["", lease_ms, app]
    for name, entry in entries.items():
        args += (name, entry)
    return Call(script("plan"), (keys.meta(queue),), args, int, repeatable=True)


def agenda(queue: str, known: int | None = None, daemon: str = "", claim_ms: int = 0) -> Call[Agenda]:
    """Ask for the schedules of one queue, unless nothing has changed since the number ``known``.

    ``daemon``: who asks to tick there, for ``claim_ms``; with 0 it gives that up.
    """

    def parse(reply: Any) -> Agenda:
        now_ms, number, added_ms, other_ms = int(reply[0]), integer(reply[1]) or 0, moment_of(reply[2]), int(reply[3])
        if number == known:
            return Agenda(now_ms, number, None, added_ms, other_ms)
        starts = range(4, len(reply), _FIELDS)
        planned = tuple(_planned(*reply[at : at + _FIELDS]) for at in starts)
        return Agenda(now_ms, number, planned, added_ms, other_ms)

    args = ("", "" if known is None else known, daemon, claim_ms)
    return Call(script("agenda"), (keys.meta(queue),), args, parse, repeatable=True)


def tick(queue: str, name: str, since_ms: int | None, new_since_ms: int, ticks: Sequence[int]) -> Call[Ticked]:
    """Enqueue these ticks of a schedule, unless another one did; sent again, it finds them taken."""
    known = "" if since_ms is None else since_ms

    def parse(reply: Any) -> Ticked:
        return Ticked(TickAnswer(reply[0]), integer(reply[1]), int(reply[2]))

    return Call(script("tick"), (keys.meta(queue),), ("", name, known, new_since_ms, *ticks), parse)


def suspend(queue: str, name: str, *, resume: bool = False) -> Call[int]:
    """Pause or resume one schedule: 1 when that changed something, 0 when not, -1 when there is none."""
    return Call(script("suspend"), (keys.meta(queue),), ("", name, "resume" if resume else "pause"), int)


def moment_of(reply: Any) -> int | None:
    """Return a moment as lua/rules/at_run_time.lua answers it, None for -1."""
    found = integer(reply)
    return None if found is None or found < 0 else found


def progress_of(value: Any) -> tuple[int | None, int | None, str]:
    """Return how far a schedule got: since, ran and id, as of `Planned`."""
    known = _PROGRESS.fullmatch(text(value or b""))
    return (int(known[1]), int(known[2]) or None, known[3]) if known else (None, None, "")


def entry_of(value: Any) -> dict[str, Any] | None:
    """Return an entry, None when it is no JSON object."""
    found = json_or_none(value)
    return found if isinstance(found, dict) else None


def _planned(name: Any, entry: Any, progress: Any, paused: Any, offered: Any, apps: Any, double: Any) -> Planned:
    return Planned(
        text(name), entry_of(entry), *progress_of(progress), integer(paused), offered == 1,
        tuple(sorted(text(apps).split())), has_double=double == 1,
    )  # fmt: skip
