"""Reads what is counted of the jobs of a queue, by job name. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jqjobs.jobs.records import is_name
from jqjobs.jobs.statistics import BUCKETS, Ended
from jqjobs.store import keys
from jqjobs.store.reply_values import count, fields
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

#: How long each hash of the latest statistics counts (lua/rules/statistics.lua).
SPAN_MS = 600_000


class NameStatistics(NamedTuple):
    """Of the jobs of one name in one queue. ``runs``, ``waits``: how many took how long, see `jobs.statistics`."""

    queue: str
    name: str
    started: int
    ended: dict[Ended, int]
    run_ms: int
    wait_ms: int
    runs: tuple[int, ...]
    waits: tuple[int, ...]


def queue_statistics(store: Store, queues: Sequence[str]) -> list[NameStatistics]:
    """Return what was counted since these queues exist, sorted by queue and name, in one round trip."""
    return _read(store, [(queue, "stats") for queue in queues])


def latest_statistics(store: Store, queues: Sequence[str], now_ms: int) -> list[NameStatistics]:
    """Return what was counted in these ten minutes and in the ten before, each on its own, in one round trip."""
    span = now_ms // SPAN_MS
    return _read(store, [(queue, f"stats:{n}") for queue in queues for n in (span - 1, span)])


def mean_run_s(statistics: Iterable[NameStatistics]) -> float | None:
    """Return how long an attempt ran on average; None when none has ended."""
    found = list(statistics)
    runs = sum(sum(one.runs) for one in found)
    return sum(one.run_ms for one in found) / runs / 1000 if runs else None


def _read(store: Store, places: Sequence[tuple[str, str]]) -> list[NameStatistics]:
    looks = [("HGETALL", store.address.key(keys.queue(queue, part))) for queue, part in places]
    replies = raise_first(store.wire.pipeline(looks))
    return [
        found for (queue, _), reply in zip(places, replies, strict=True) for found in _by_name(queue, fields(reply))
    ]


def _by_name(queue: str, stored: dict[str, object]) -> list[NameStatistics]:
    names: dict[str, dict[str, int]] = {}
    for field, value in stored.items():
        name, _, what = field.partition(" ")
        if is_name(name):
            names.setdefault(name, {})[what] = count(value)
    return [_statistics(queue, name, counts) for name, counts in sorted(names.items())]


def _statistics(queue: str, name: str, counts: dict[str, int]) -> NameStatistics:
    runs, waits = (tuple(counts.get(f"{what}:{n}", 0) for n in range(BUCKETS)) for what in ("run", "wait"))
    ended = {end: counts[end] for end in Ended if counts.get(end)}
    return NameStatistics(
        queue, name, counts.get("started", 0), ended, counts.get("run_ms", 0), counts.get("wait_ms", 0), runs, waits
    )
