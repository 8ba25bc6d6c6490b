"""Daemons in the registry, and the messages of remote control."""

from __future__ import annotations

from collections.abc import Mapping

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument

#: Messages of remote control that nobody reads: so many are kept, for so long (lua/post.lua).
_MOST_ORDERS, _MOST_ANSWERS = 100, 1000
_MESSAGE_TTL_MS = 60_000


def register(
    daemon: str, ttl_ms: int, about: Mapping[str, Argument], workers: Mapping[str, Mapping[str, Argument]]
) -> Call[bool]:
    """Register a daemon and its workers for ``ttl_ms``; 0 takes the entries away.

    True: the clock of Redis was set back since somebody registered, and nobody else is told.
    """
    args: list[Argument] = ["", ttl_ms, daemon]
    for fields in (about, *workers.values()):
        args.append(2 * len(fields))
        for name, value in fields.items():
            args += (name, value)
    return Call(
        script("register"), (keys.DAEMONS, keys.daemon(daemon), *map(keys.worker, workers)), args,
        lambda reply: reply == 2, repeatable=True,
    )  # fmt: skip


def post_order(daemon: str, order: str) -> Call[int]:
    """Post an order, a JSON object as text, to a daemon; how many it has not read yet."""
    args: list[Argument] = ["", _MOST_ORDERS, _MESSAGE_TTL_MS, order]
    return Call(script("post"), (keys.control(daemon),), args, int)


def post_answer(nonce: str, answer: str) -> Call[int]:
    """Post a daemon's answer, a JSON object as text, to who gave the order of that nonce."""
    args: list[Argument] = ["", _MOST_ANSWERS, _MESSAGE_TTL_MS, answer]
    return Call(script("post"), (keys.answer(nonce),), args, int)
