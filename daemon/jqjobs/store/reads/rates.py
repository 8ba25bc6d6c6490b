"""Reads how many attempts ended in each of the last minutes (lua/rules/totals.lua). Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
    spans = range(latest - minutes + 1, latest + 1)
    looks = [("HMGET", store.address.key(keys.queue(queue, f"minute:{minute}")), "done", "failed")
             for minute in spans for queue in queues]  # fmt: skip
    replies = iter(store.wire.pipeline(looks) if looks else ())
    return [_sum_of([next(replies) for _ in queues]) for _ in spans]


def _sum_of(replies: Sequence[Any]) -> MinuteRate:
    """Return what several queues did in one minute; what cannot be read counts for nothing."""
    pairs = [reply for reply in replies if isinstance(reply, list)]
    return MinuteRate(sum(count(done) for done, _ in pairs), sum(count(failed) for _, failed in pairs))
