"""Reads what there is to do in queues, and who is at it, for `jobs.scaling`. Writes nothing."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jqjobs.jobs.scaling import ASSUMED_RUN_S, Load
from jqjobs.jobs.selector import Selector
from jqjobs.jobs.statistics import OTHER
from jqjobs.store import keys
from jqjobs.store.reads.queues import QueueStatus, queue_status
from jqjobs.store.reads.search import Cursor, search
from jqjobs.store.reads.statistics import NameStatistics, latest_statistics, mean_run_s, queue_statistics
from jqjobs.store.reply_values import count
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

#: So many of the jobs of a queue that are next say how long all that wait will run; of all queues together so many. Of
#: more queues nobody looks at what is next: those few jobs would tell less than all that ran there.
_SAMPLE, _SAMPLES, _MOST_SAMPLED = 100, 2000, 100
#: So often workers add up what they have counted.
_KEPT_S = 10.0


class Loads(NamedTuple):
    """The load of several queues, each by itself and all together: a worker may be busy in more than one."""

    by_queue: dict[str, Load]
    total: Load


class Counts:
    """What is counted of the jobs of queues, lately and ever: kept as long as workers take to add up anew."""

    def __init__(self) -> None:
        self._of: dict[str, _Counted] = {}

    def read(self, store: Store, queues: Sequence[str], now_ms: int) -> dict[str, _Counted]:
        """Return it queue by queue; what is kept is not read. Raises: StoreError."""
        now_s = time.monotonic()
        self._of = {queue: found for queue, found in self._of.items() if found.until_s > now_s}
        unread = [queue for queue in queues if queue not in self._of]
        if unread:
            recent = _by_queue(latest_statistics(store, unread, now_ms))
            ever = _by_queue(queue_statistics(store, unread))
        for queue in unread:
            mine = recent[queue], ever[queue]
            self._of[queue] = _Counted(*mine, until_s=now_s + (_KEPT_S if any(mine) else 0))
        return {queue: self._of[queue] for queue in queues}


def _by_queue(statistics: Sequence[NameStatistics]) -> Mapping[str, list[NameStatistics]]:
    found: dict[str, list[NameStatistics]] = defaultdict(list)
    for one in statistics:
        found[one.queue].append(one)
    return found


class _Counted(NamedTuple):
    recent: Sequence[NameStatistics]
    ever: Sequence[NameStatistics]
    until_s: float


def read_loads(
    store: Store, queues: Sequence[str], lead_s: float = 0.0, counts: Counts | None = None
) -> Loads:  # fmt: skip
    """Return what there is to do in these queues; what comes within ``lead_s`` is due soon.

    ``counts``: for who asks again and again. Raises: StoreError.
    """
    return loads_of(store, store.run_all([queue_status(queue) for queue in queues]), lead_s, counts)


def loads_of(
    store: Store, statuses: Sequence[QueueStatus], lead_s: float = 0.0, counts: Counts | None = None
) -> Loads:  # fmt: skip
    """Return the same of queues that are counted already. Raises: StoreError."""
    statuses = [place for one in statuses for place in one.partitions or (one,)]
    if not statuses:
        return Loads({}, Load())
    due_soon, run_s = _due_soon(store, statuses, round(lead_s * 1000)), _run_s(store, statuses, counts or Counts())
    by_queue = {one.name: _load(one, due_soon.get(one.name, 0), run_s.get(one.name)) for one in statuses}
    busy = {worker for one in statuses for worker in one.busy}
    return Loads(by_queue, _together(list(by_queue.values()), len(busy)))


def _due_soon(store: Store, statuses: Sequence[QueueStatus], lead_ms: int) -> dict[str, int]:
    planned = [one for one in statuses if one.scheduled]
    looks = [("ZCOUNT", store.address.key(keys.queue(one.name, "scheduled")), "-inf", one.now_ms + lead_ms)
             for one in planned]  # fmt: skip
    replies = raise_first(store.wire.pipeline(looks) if looks else [])
    return {one.name: count(reply) for one, reply in zip(planned, replies, strict=True)}


def _load(status: QueueStatus, due_soon: int, run_s: float | None) -> Load:
    busy = len(status.busy)
    if status.paused_ms is not None:  # what runs goes on, nothing else can
        return Load(in_hand=status.active, busy=busy, mean_run_s=run_s, workers=status.workers)
    return Load(
        ready=status.inbox + status.ready + status.suspects, in_hand=status.active, busy=busy, due_soon=due_soon,
        oldest_s=status.oldest_ready_s or 0.0, mean_run_s=run_s, workers=status.workers,
    )  # fmt: skip


def _together(loads: Sequence[Load], busy: int) -> Load:
    return Load(
        ready=sum(load.ready for load in loads), in_hand=sum(load.in_hand for load in loads), busy=busy,
        due_soon=sum(load.due_soon for load in loads), oldest_s=max(load.oldest_s for load in loads),
        mean_run_s=_weighed([(load.mean_run_s, load.jobs) for load in loads if load.jobs]),
        workers=min([load.workers for load in loads if load.ready] or [max(load.workers for load in loads)]),
    )  # fmt: skip


def _run_s(store: Store, statuses: Sequence[QueueStatus], counts: Counts) -> dict[str, float | None]:
    """Return how long the jobs of each queue that has any run on average, going by the names of those that are next."""
    queues = [one.name for one in statuses if one.inbox or one.ready or one.suspects or one.active]
    if not queues:
        return {}
    sampled = queues if len(queues) <= _MOST_SAMPLED else []
    sample = min(_SAMPLE, _SAMPLES // len(queues))
    pages = dict(zip(sampled, store.run_all([search(queue, Selector(), Cursor("ready"), sample) for queue in sampled]),
                     strict=True))  # fmt: skip
    next_names = {queue: Counter(row.name or "" for row in page.rows) for queue, page in pages.items()}
    counted = counts.read(store, queues, statuses[0].now_ms)
    return {queue: _mean_of(next_names.get(queue, Counter()), *counted[queue][:2]) for queue in queues}


def _mean_of(
    names: Counter[str], recent: Sequence[NameStatistics], ever: Sequence[NameStatistics]
) -> float | None:  # fmt: skip
    """Return how long jobs of these names run, each so many times; of no names: those that ran here."""
    if not names:
        return _latest(recent, ever)
    counted = _as_counted(names, {one.name for one in ever})
    run_s = {name: _latest(_named(name, recent), _named(name, ever)) for name in counted}
    return _weighed([(run_s[name], times) for name, times in counted.items()])


def _weighed(means: Sequence[tuple[float | None, int]]) -> float | None:
    """Return the mean of means, each of so many jobs; what is not known is assumed where anything is known."""
    if all(run_s is None for run_s, _ in means):
        return None
    jobs = sum(times for _, times in means)
    return sum((ASSUMED_RUN_S if run_s is None else run_s) * times for run_s, times in means) / jobs


def _as_counted(names: Counter[str], counted: set[str]) -> Counter[str]:
    """Return the names under which these are counted: late ones of a queue with many share one."""
    found: Counter[str] = Counter()
    for name, times in names.items():
        found[name if name in counted else OTHER] += times
    return found


def _named(name: str, statistics: Sequence[NameStatistics]) -> list[NameStatistics]:
    return [one for one in statistics if one.name == name]


def _latest(recent: Sequence[NameStatistics], ever: Sequence[NameStatistics]) -> float | None:
    """Return the mean of late, which is of the code that runs now; else that since the queue exists."""
    lately_s = mean_run_s(recent)
    return mean_run_s(ever) if lately_s is None else lately_s
