"""Queues in turn: the part of each of two by their weights, and how soon one of a thousand by a pattern is served."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from figures import Figure, percentile
from jobs import mark, tarry
from jqjobs.store.calls import upkeep
from stage import Stage, daemon, wait_until

NAME = "turns"
_WEIGHTS = {"a": 3, "b": 1}
_WORKERS = 4
#: Of each full queue.
_WAITING = 25


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield the parts of two queues, then how soon queues by a pattern start, idle ones and behind full ones."""
    yield from _parts(stage, 1_000 if stage.quick else 10_000)
    stage.clear()
    yield from _by_pattern(stage, *((100, 10) if stage.quick else (1_000, 100)))
    stage.clear()


def _parts(stage: Stage, jobs: int) -> Iterator[Figure]:
    """Yield which part of the first so many jobs came from each queue, while each had enough for all of it."""
    wanted = {queue: weight / sum(_WEIGHTS.values()) for queue, weight in _WEIGHTS.items()}
    parts: dict[str, list[float]] = {queue: [] for queue in _WEIGHTS}
    for _ in range(stage.repeats):
        stage.clear()
        cells = stage.new_ledger(jobs * len(_WEIGHTS))
        for at, queue in enumerate(_WEIGHTS):
            mark.options(queue=queue).enqueue_many([(index,) for index in range(at * jobs, (at + 1) * jobs)])
        with daemon("--queues", ",".join(f"{queue}:{weight}" for queue, weight in _WEIGHTS.items())):
            _wait_for_all(cells, range(len(cells)))
        last = sorted(cells)[jobs - 1]
        for at, queue in enumerate(_WEIGHTS):
            parts[queue].append(100 * sum(cell <= last for cell in cells[at * jobs : (at + 1) * jobs]) / jobs)
    for queue, weight in _WEIGHTS.items():
        name = f"queue of weight {weight}: part of the first {jobs:,} jobs"
        target = f"{95 * wanted[queue]:.1f} – {105 * wanted[queue]:.1f}"
        yield Figure(NAME, name, "%", tuple(parts[queue]), target=target)


def _by_pattern(stage: Stage, queues: int, full: int) -> Iterator[Figure]:
    names = [f"tenant-{number}" for number in range(queues)]
    stage.store.run(upkeep.add_queues(names))
    step = queues // 40
    cells = stage.new_ledger(queues)
    with daemon("--queues", "tenant-*", workers=_WORKERS):
        alone = [_wait(cells, names, [index])[0] for index in range(0, queues, step)]
        for queue in names[:full]:
            tarry.options(queue=queue).enqueue_many([()] * _WAITING)
        wait_until(lambda: _done(stage, names[:full]) > full // 10, 60)
        before = _done(stage, names[:full])
        waits = _wait(cells, names, [index + 1 for index in range(full, queues, step)])
        meanwhile = _done(stage, names[:full]) - before
        left = full * _WAITING - before
    known = f"{queues:,} queues by a pattern"
    yield Figure(NAME, f"{known}, idle: a job starts after, p50", "ms", (percentile(alone, 50),))
    yield Figure(NAME, f"{known}, idle: the slowest", "ms", (max(alone),), target="< 3,000")
    note = f"meanwhile these did {meanwhile:,} of {left:,} jobs of 10 ms"
    yield Figure(NAME, f"{known}, {full} full: the slowest of {len(waits)} others", "ms", (max(waits),), note=note)


def _wait(cells: memoryview, names: Sequence[str], indexes: Sequence[int]) -> list[float]:
    """Send a job to each of these queues at once; return after how many ms each has begun."""
    sent_ns = [0] * len(indexes)
    for at, index in enumerate(indexes):
        sent_ns[at] = time.monotonic_ns()
        mark.options(queue=names[index]).enqueue(index)
    _wait_for_all(cells, indexes)
    return [(cells[index] - sent) / 1e6 for index, sent in zip(indexes, sent_ns, strict=True)]


def _wait_for_all(cells: memoryview, indexes: Sequence[int]) -> None:
    wait_until(lambda: all(cells[index] for index in indexes), 120)


def _done(stage: Stage, names: Sequence[str]) -> int:
    return sum(map(stage.done, names))
