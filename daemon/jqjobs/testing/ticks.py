"""Ticks of periodic jobs in tests: what daemons do (`daemon.leases.ticker`, lua/tick.lua), by a clock that is moved."""

from __future__ import annotations

import json

from jqjobs.api.periodic import Schedule, Schedules
from jqjobs.errors import DrainedTooLong
from jqjobs.inprocess.engines import MemoryEngine
from jqjobs.inprocess.memory_store import FrozenClock, Records
from jqjobs.jobs.records import NewJob
from jqjobs.jobs.timetable import due

_MOST_TICKS = 10_000


def pass_time(engine: MemoryEngine, clock: FrozenClock, until_ms: int, *, outage: bool) -> None:
    """Enqueue the ticks that come until a moment, each at its time and once; after an outage what is caught up on.

    Raises: DrainedTooLong.
    """
    ticks = _ticks(engine.app.schedules, clock.now_ms, until_ms, outage=outage)
    for tick_ms, schedule in sorted(ticks, key=lambda each: each[0]):
        clock.now_ms = until_ms if outage else tick_ms
        _enqueue(engine.records, schedule, tick_ms)


def _ticks(schedules: Schedules, since_ms: int, until_ms: int, *, outage: bool) -> list[tuple[int, Schedule]]:
    found: list[tuple[int, Schedule]] = []
    for schedule in schedules:
        if outage:
            what = due(schedule.times, schedule.policy, since_ms, until_ms)
            ticks = what.ticks if what else ()
        else:
            ticks = tuple(schedule.times.latest(since_ms, until_ms, _MOST_TICKS + 1))
        found += [(tick_ms, schedule) for tick_ms in ticks]
        if len(found) > _MOST_TICKS:
            raise DrainedTooLong(f"more than {_MOST_TICKS} ticks come until then")
    return found


def _enqueue(records: Records, schedule: Schedule, tick_ms: int) -> None:
    entry = json.loads(schedule.entry())
    key = "" if schedule.overlap else f"schedule:{schedule.name}"
    before = records.holder(schedule.queue, key)
    waits_for_retry = before is not None and before.state == "scheduled"
    new = NewJob(
        entry["job"], entry["payload"].encode(), f"{schedule.name}-{tick_ms}", entry["priority"], "", key,
        tuple(entry["fields"]), replace=waits_for_retry,
    )  # fmt: skip
    records.add(schedule.queue, new)
