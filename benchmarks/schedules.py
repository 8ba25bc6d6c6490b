"""Schedules added at run time: what 10,000 of them cost an idle fleet, and whether five daemons make each tick once.

By its own name only, since it takes some minutes.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from figures import Figure
from jobs import app, noop
from monitor import Monitor
from stage import Stage, daemon, wait_until

NAME = "schedules"
_DAEMONS = 5
_EACH_SECOND = 10
#: Until a daemon has found what was added, and its first housekeeping is over.
_SETTLE_S = 15.0


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield the commands of an idle fleet with few and with many schedules, then how often each tick came."""
    few, many = (10, 500) if stage.quick else (10, 10_000)
    with _fleet():
        for total in (few, many):
            _add(total)
            time.sleep(_SETTLE_S)
            yield _commands(stage, total)
    stage.clear()
    yield from _ticks(stage, 20 if stage.quick else 100)
    stage.clear()


@contextmanager
def _fleet() -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(_DAEMONS):
            stack.enter_context(daemon("--queues", noop.queue))
        yield


def _add(total: int) -> None:
    for number in range(total):
        app.schedules.add(f"yearly:{number}", noop, "0 4 29 2 *")


def _commands(stage: Stage, schedules: int) -> Figure:
    seconds = 10 if stage.quick else 60
    sent, inside = Monitor.per_second(stage.place.url, seconds)
    name = f"{_DAEMONS} idle daemons, {schedules:,} schedules: commands"
    return Figure(NAME, name, "/s", (sent,), note=f"{inside:.1f} more inside scripts")


def _ticks(stage: Stage, seconds: int) -> Iterator[Figure]:
    """Yield ticks of schedules that come each second, those left out between first and last, and those done twice."""
    with _fleet():
        for number in range(_EACH_SECOND):
            app.schedules.add(f"often:{number}", noop, every="1s", keep="1h")
        time.sleep(seconds + 2)
        for number in range(_EACH_SECOND):
            app.schedules.remove(f"often:{number}")
        wait_until(lambda: not stage.store.wire.call("EXISTS", f"jq:{{{noop.queue}}}:ready"), 30)
    moments: defaultdict[str, set[int]] = defaultdict(set)
    for job in stage.store.wire.call("ZRANGE", f"jq:{{{noop.queue}}}:kept", "0", "-1"):
        name, _, moment_ms = job.decode().rpartition("-")
        moments[name].add(int(moment_ms))
    came = sum(map(len, moments.values()))
    due = sum((max(ticks) - min(ticks)) // 1000 + 1 for ticks in moments.values())
    name = f"{_DAEMONS} daemons, {_EACH_SECOND} schedules of one second: ticks"
    yield Figure(NAME, name, "jobs", (came,))
    yield Figure(NAME, f"{name} without a job", "ticks", (due - came,), target="0")
    yield Figure(NAME, f"{name} that ran twice", "ticks", (stage.done(noop.queue) - came,), target="0")
