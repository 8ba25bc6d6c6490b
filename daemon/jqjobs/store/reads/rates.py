"""Reads how many attempts ended in each of the last minutes (lua/rules/totals.lua). Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.store import keys
from jqjobs.store.reply_values import count
from jqjobs.store.store import Store

_MINUTE_MS = 60_000


class MinuteRate(NamedTuple):
    """Attempts that ended in one minute."""

    done: int
    failed: int


def minute_rates(store: Store, queues: Sequence[str], now_ms: int, minutes: int = 60) -> list[MinuteRate]:
    """Return the rates of these queues together, oldest minute first, the one that goes on last; one round trip."""
    latest = now_ms // _MINUTE_MS
    asked = [(minute, queue) for minute in range(latest - minutes + 1, latest + 1) for queue in queues]
    looks = [("HMGET", store.address.key(keys.queue(queue, f"minute:{minute}")), "done", "failed")
             for minute, queue in asked]  # fmt: skip
    replies = store.wire.pipeline(looks) if looks else []
    pairs = [tuple(map(count, reply)) if isinstance(reply, list) else (0, 0) for reply in replies]
    columns = [pairs[start : start + len(queues)] for start in range(0, len(pairs), len(queues))] or [[]] * minutes
    return [MinuteRate(sum(done for done, _ in column), sum(failed for _, failed in column)) for column in columns]
