"""Daemons in the registry, and the messages of remote control."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.scripts import Script, script
from jqjobs.store.wire import Argument

#: Messages of remote control that nobody reads: so many are kept, for so long (lua/post.lua).
_MOST_ORDERS, _MOST_ANSWERS = 100, 1000
_MESSAGE_TTL_MS = 60_000

#: What is said of a daemon or a worker: fields and their values.
Entry = Mapping[str, Argument]


class SignOfLife(IntEnum):
    """What came of a sign of life (lua/register.lua, lua/beat.lua)."""

    NOT_KNOWN = 0  #: what was said before is not there, or not whole: register
    YES = 1
    CLOCK_BACK = 2  #: the clock of Redis was set back since somebody registered, and nobody else is told


def register(daemon: str, ttl_ms: int, about: Entry, workers: Mapping[str, Entry]) -> Call[SignOfLife]:
    """Register a daemon for ``ttl_ms``, and its workers; 0 takes the entries away. A worker without fields has none."""
    return _sign_of_life(script("register"), daemon, ["", ttl_ms, daemon], about, workers)


def beat(daemon: str, ttl_ms: int, said: int, about: Entry, workers: Mapping[str, Entry]) -> Call[SignOfLife]:
    """Say that a daemon is still there, and which fields have other values by now.

    ``said``: the field of that name as it was last set; where anything is new, ``about`` has another one.
    ``workers``: those of which there is news; of one that is gone: no fields.
    """
    return _sign_of_life(script("beat"), daemon, ["", ttl_ms, daemon, said], about, workers)


def _sign_of_life(
    told_by: Script, daemon: str, args: list[Argument], about: Entry, workers: Mapping[str, Entry]
) -> Call[SignOfLife]:  # fmt: skip
    for fields in (about, *workers.values()):
        args.append(2 * len(fields))
        for field, value in fields.items():
            args += (field, value)
    return Call(
        told_by, (keys.DAEMONS, keys.daemon(daemon), *map(keys.worker, workers)), args, SignOfLife, repeatable=True
    )  # fmt: skip


def post_order(daemon: str, order: str) -> Call[int]:
    """Post an order, a JSON object as text, to a daemon; how many it has not read yet."""
    args: list[Argument] = ["", _MOST_ORDERS, _MESSAGE_TTL_MS, order]
    return Call(script("post"), (keys.control(daemon),), args, int)


def post_answer(nonce: str, answer: str) -> Call[int]:
    """Post a daemon's answer, a JSON object as text, to who gave the order of that nonce."""
    args: list[Argument] = ["", _MOST_ANSWERS, _MESSAGE_TTL_MS, answer]
    return Call(script("post"), (keys.answer(nonce),), args, int)
