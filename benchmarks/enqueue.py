"""Enqueue: jobs a second of one producer, beside a bare EVALSHA and plain GETs of redis-py.

Each repeat frames the measured calls with GETs. No worker runs. The signature check is part of it.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Iterator

from figures import Figure
from jobs import noop
from stage import Stage, rate

NAME = "enqueue"
#: Coroutines that enqueue.
_AT_ONCE = 100


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield the rates of a bare EVALSHA, of enqueue, of its async form, also of many at once, and of enqueue_many."""
    calls = 500 if stage.quick else 4000
    sha = stage.plain.script_load("return 1")
    bare, enqueue = _side_by_side(
        stage, calls, lambda: [stage.plain.evalsha(sha, 1, "nothing") for _ in range(calls)],
        lambda: [noop.enqueue() for _ in range(calls)],
    )  # fmt: skip
    yield Figure(NAME, "bare EVALSHA of redis-py", "calls/s", *bare, note='script "return 1"')
    shares = [one / other for one, other in zip(enqueue[0], bare[0], strict=True)]
    note = f"{statistics.median(shares):.2f} × the bare EVALSHA ({min(shares):.2f} – {max(shares):.2f})"
    yield Figure(NAME, "one by one", "jobs/s", *enqueue, target="≥ 0.75 × EVALSHA", note=note)
    yield Figure(NAME, "one by one, async", "jobs/s", *_framed(stage, calls, lambda: asyncio.run(_enqueue(calls))))
    crowd, alone = _side_by_side(
        stage, calls, lambda: asyncio.run(_enqueue_at_once(calls)), lambda: [noop.enqueue() for _ in range(calls)]
    )
    times = statistics.median(one / other for one, other in zip(crowd[0], alone[0], strict=True))
    note = f"{times:.1f} × one by one from a thread"
    yield Figure(NAME, f"{_AT_ONCE} at once, async", "jobs/s", *crowd, target="≥ 2 × one by one", note=note)
    many = calls * 10
    pairs = _framed(stage, many, lambda: noop.enqueue_many([()] * many))
    yield Figure(NAME, "many (enqueue_many)", "jobs/s", *pairs, target="≥ 5 × GET")
    stage.clear()


async def _enqueue_at_once(calls: int) -> None:
    await asyncio.gather(*(_enqueue(calls // _AT_ONCE) for _ in range(_AT_ONCE)))


async def _enqueue(calls: int) -> None:
    for _ in range(calls):
        await noop.enqueue_async()


_Pair = tuple[tuple[float, ...], tuple[float, ...]]


def _framed(stage: Stage, n: int, work: Callable[[], object]) -> _Pair:
    """Return rates, and their ratios to the GETs around each; the first run is a warm-up."""
    return _side_by_side(stage, n, work)[0]


def _side_by_side(stage: Stage, n: int, *works: Callable[[], object]) -> list[_Pair]:
    rates: list[list[float]] = [[] for _ in works]
    ratios: list[list[float]] = [[] for _ in works]
    for repeat in range(stage.repeats + 1):
        before, measured, after = stage.get_rate(), [rate(n, work) for work in works], stage.get_rate()
        stage.clear()
        if repeat == 0:
            continue
        for index, value in enumerate(measured):
            rates[index].append(value)
            ratios[index].append(value / statistics.mean([before, after]))
    return [(tuple(one), tuple(other)) for one, other in zip(rates, ratios, strict=True)]
