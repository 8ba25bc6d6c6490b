"""Reads what live workers offer: single names, and rosters (lua/rules/offers.lua). Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from jqjobs.store import keys
from jqjobs.store.reply_values import integer, text
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first


def offered_names(store: Store, queues: Sequence[str], now_ms: int) -> list[list[str]]:
    """Return for each queue the job names that its live workers offer, in two round trips."""
    key, since = store.address.key, f"({now_ms}"
    rosters = _live_rosters(store, queues, now_ms)
    single = [("ZRANGEBYSCORE", key(keys.queue(queue, "offers")), since, "+inf") for queue in queues]
    listed = [("ZRANGE", roster, 0, -1) for found in rosters for roster in found]
    replies = raise_first(store.wire.pipeline([*single, *listed]))
    by_roster = dict(zip((roster for found in rosters for roster in found), replies[len(queues) :], strict=True))
    found = [{*replies[i], *(name for roster in rosters[i] for name in by_roster[roster])} for i in range(len(queues))]
    names = [sorted(text(member) for member in members) for members in found]
    return [[name for name in each if " " not in name and not name.startswith("~")] for each in names]


def are_offered(store: Store, places: Sequence[tuple[str, str]], now_ms: int) -> list[bool]:
    """Return for each (name, queue) whether a live worker of the queue offers the name, in two round trips."""
    key, queues = store.address.key, list(dict.fromkeys(queue for _, queue in places))
    rosters = dict(zip(queues, _live_rosters(store, queues, now_ms), strict=True))
    single = [("ZSCORE", key(keys.queue(queue, "offers")), name) for name, queue in places]
    asked = [(nth, roster) for nth, (_, queue) in enumerate(places) for roster in rosters[queue]]
    listed = [("ZSCORE", roster, places[nth][0]) for nth, roster in asked]
    replies = store.wire.pipeline([*single, *listed])
    live = {nth for nth, until in enumerate(replies[: len(places)]) if (integer(until) or 0) > now_ms}
    live |= {nth for (nth, _), score in zip(asked, replies[len(places) :], strict=True) if integer(score) == 0}
    return [nth in live for nth in range(len(places))]


def _live_rosters(store: Store, queues: Sequence[str], now_ms: int) -> list[list[str]]:
    """Return for each queue the keys of the rosters that are offered."""
    key = store.address.key
    looks = [("ZRANGEBYSCORE", key(keys.queue(queue, "rosters")), f"({now_ms}", "+inf") for queue in queues]
    replies = store.wire.pipeline(looks)
    return [
        [key(keys.queue(queue, f"roster:{text(digest)}")) for digest in reply] if isinstance(reply, list) else []
        for queue, reply in zip(queues, replies, strict=True)
    ]
