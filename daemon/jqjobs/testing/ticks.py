"""Ticks of periodic jobs in tests: what daemons do (`daemon.leases.ticker`, lua/tick.lua), by a clock that is moved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from jqjobs.errors import DrainedTooLong
from jqjobs.inprocess.engines import MemoryEngine
from jqjobs.inprocess.memory_store import Records
from jqjobs.jobs.records import NewJob
from jqjobs.jobs.timetable import before_end, due, read_entry
from jqjobs.testing.frozen_clock import FrozenClock

_MOST_TICKS = 10_000


class _Schedule(NamedTuple):
    """One in code, or one added at run time, as it is stored."""

    queue: str
    name: str
    entry: dict[str, Any]


def pass_time(engine: MemoryEngine, clock: FrozenClock, until_ms: int, *, outage: bool) -> None:
    """Enqueue the ticks that come until a moment, each at its time and once; after an outage what is caught up on.

    Raises: DrainedTooLong.
    """
    ticks = _ticks(_schedules(engine), clock.now_ms, until_ms, outage=outage)
    for tick_ms, schedule in sorted(ticks, key=lambda each: each[0]):
        clock.now_ms = until_ms if outage else tick_ms
        _enqueue(engine.records, schedule, tick_ms)


def _schedules(engine: MemoryEngine) -> Iterator[_Schedule]:
    for schedule in engine.app.registry.schedules:
        yield _Schedule(schedule.queue, schedule.name, json.loads(schedule.entry()))
    for (queue, name), entry in engine.records.added.items():
        yield _Schedule(queue, name, json.loads(entry))


def _ticks(
    schedules: Iterator[_Schedule], since_ms: int, until_ms: int, *, outage: bool
) -> list[tuple[int, _Schedule]]:
    found: list[tuple[int, _Schedule]] = []
    for schedule in schedules:
        times, policy = read_entry(schedule.entry)
        if outage:
            what = due(times, policy, since_ms, until_ms)
            ticks = what.ticks if what else ()
        else:
            ticks = tuple(times.latest(since_ms, until_ms, _MOST_TICKS + 1))
        found += [(tick_ms, schedule) for tick_ms in ticks if before_end(schedule.entry, tick_ms) is not None]
        if len(found) > _MOST_TICKS:
            raise DrainedTooLong(f"more than {_MOST_TICKS} ticks come until then")
    return found


def _enqueue(records: Records, schedule: _Schedule, tick_ms: int) -> None:
    entry = schedule.entry
    key = "" if entry["overlap"] else f"schedule:{schedule.name}"
    before = records.holder(schedule.queue, key)
    waits_for_retry = before is not None and before.state == "scheduled" and not before.is_snoozing
    new = NewJob(
        entry["job"], entry["payload"].encode(), f"{entry.get('id', schedule.name)}-{tick_ms}", entry["priority"], "",
        key, tuple(entry["fields"]), replace=waits_for_retry,
    )  # fmt: skip
    records.add(schedule.queue, new)
