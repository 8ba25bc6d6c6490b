"""Reads which attempts of a queue ended last, as their workers and the scripts have noted it. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.jobs.statistics import MOST_RECENT
from jqjobs.store import keys
from jqjobs.store.reply_values import integer, text
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first


class RecentEnd(NamedTuple):
    """One attempt that has ended. ``run_ms``, ``wait_ms`` None: nobody knows how long it ran, or had waited before."""

    id: str
    queue: str
    name: str
    outcome: str
    run_ms: int | None
    wait_ms: int | None
    ended_ms: int


def recent_ends(store: Store, queues: Sequence[str]) -> list[RecentEnd]:
    """Return the last ends of each of these queues, all together latest first, in one round trip."""
    looks = [
        ("ZRANGE", store.address.key(keys.queue(queue, "recent")), 0, MOST_RECENT - 1, "REV") for queue in queues
    ]  # fmt: skip
    replies = raise_first(store.wire.pipeline(looks))
    found = [_end(queue, text(member)) for queue, reply in zip(queues, replies, strict=True) for member in reply]
    return sorted((end for end in found if end), key=lambda end: end.ended_ms, reverse=True)


def _end(queue: str, member: str) -> RecentEnd | None:
    """Return what a member says (lua/rules/recent.lua), None when it says nothing that can be understood."""
    words = member.split(" ")
    ended_ms = integer(words[0])
    if len(words) != 6 or ended_ms is None:
        return None
    return RecentEnd(words[1], queue, words[2], words[3], integer(words[4]), integer(words[5]), ended_ms)
