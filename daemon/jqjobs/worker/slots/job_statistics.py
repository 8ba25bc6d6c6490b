"""Counts what became of the attempts of one worker, by job name, and now and then adds that to what Redis has.

Counting is one look-up and a few additions a job, in this process only. The monitor thread writes every 10 s what is
new, so a worker that is killed loses that much; one that drains loses nothing.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import TakenJob
from jqjobs.jobs.statistics import BUCKETS, Ended, bucket_of, end_of
from jqjobs.store.call import Call
from jqjobs.store.calls.statistics import add_statistics
from jqjobs.store.scripts import script

WRITE_EVERY_MS = 10_000
_NO_JOB = TakenJob("", "", 0, "", b"")


class RedisClock(Protocol):
    """What to add to `monotonic_ms` to get the time of Redis."""

    clock_offset_ms: int


class Tally:
    """Of the jobs of one name in one queue, since the worker began."""

    __slots__ = ("ends", "run_ms", "runs", "wait_ms", "waits")

    def __init__(self) -> None:
        self.ends = dict.fromkeys(Ended, 0)  # with all keys: others read it while it is changed
        self.run_ms = self.wait_ms = 0
        self.runs = [0] * BUCKETS
        self.waits = [0] * BUCKETS

    def add(self, run_ms: int, wait_ms: int | None, ended: Ended, count: int) -> None:
        """Count attempts that ran and waited for so long; ``wait_ms`` None: that is not known, or no news."""
        self.ends[ended] += count
        self.run_ms += run_ms * count
        self.runs[bucket_of(run_ms)] += count
        if wait_ms is not None:
            self.wait_ms += wait_ms * count
            self.waits[bucket_of(wait_ms)] += count

    def fields(self) -> Counter[str]:
        """Return what is counted, as the store has it."""
        found = Counter({"started": sum(self.ends.values()), "run_ms": self.run_ms, "wait_ms": self.wait_ms})
        found.update({end.value: count for end, count in self.ends.items() if count})
        for what, counts in (("run", self.runs), ("wait", self.waits)):
            found.update({f"{what}:{n}": count for n, count in enumerate(counts) if count})
        return found


class _Alike:
    """Jobs like this one that are not in a tally yet: successes of no length, begun within one ms."""

    __slots__ = ("count", "job")

    def __init__(self, job: TakenJob, count: int) -> None:
        self.job = job
        self.count = count


class JobStatistics:
    """One a worker. `count` is called where jobs end, by one thread at a time; `write` by the monitor and at the end.

    What is counted only grows, and what has grown since it was written last is added: so the two need no lock.
    """

    def __init__(
        self, queues: Sequence[str], clock: RedisClock, running: Callable[[], Sequence[TakenJob]],
        wake: Callable[[], None], ask: Callable[[Call[int]], int], rng: random.Random,
    ) -> None:  # fmt: skip
        """``running``: returns the jobs that run now. ``wake``: tells the monitor that there is something to write.

        ``ask``: runs a call; raises StoreError.
        """
        self._clock = clock
        self._running = running
        self._wake = wake
        self._ask = ask
        self._tallies: dict[str, dict[str, Tally]] = {queue: {} for queue in queues}
        self._written = defaultdict[tuple[str, str], Counter[str]](Counter)
        self._alike = _Alike(_NO_JOB, 0)
        self._writing = threading.Lock()
        self._has_news = self._has_failed = False
        script("add_statistics")  # is read now: later a job may have used up all descriptors
        # What began together does not write together.
        self._next_ms = monotonic_ms() + int(WRITE_EVERY_MS * rng.random())

    def count(self, job: TakenJob, outcome: Outcome | None, ended_ms: int) -> None:
        """An attempt has ended, at ``ended_ms`` boottime; None: a success with nothing to say."""
        alike = self._alike
        like = alike.job
        # Most jobs of a drain are like the one before: then this is a third as long.
        if (
            outcome is None and ended_ms == job.started_ms == like.started_ms and job.name is like.name
            and job.ready_ms == like.ready_ms and job.queue is like.queue
        ):  # fmt: skip
            alike.count += 1
        else:
            self._count_other(job, outcome, ended_ms)

    def _count_other(self, job: TakenJob, outcome: Outcome | None, ended_ms: int) -> None:
        alike = self._alike
        if alike.count:
            self._tally(alike.job).add(0, self._wait_ms(alike.job), Ended.DONE, alike.count)
        is_short = outcome is None and ended_ms == job.started_ms
        self._alike = _Alike(job if is_short else _NO_JOB, int(is_short))
        if not is_short and (end := end_of(outcome)) is not None:
            self._tally(job).add(ended_ms - job.started_ms, self._wait_ms(job), end, 1)
        if not self._has_news:
            self._has_news = True
            self._wake()

    def _tally(self, job: TakenJob) -> Tally:
        tallies = self._tallies[job.queue]
        if job.name not in tallies:
            tallies[job.name] = Tally()
        return tallies[job.name]

    def _wait_ms(self, job: TakenJob) -> int | None:
        if not job.ready_ms:
            return None
        # The two clocks are compared once a trip, so it may seem to start before it was there.
        return max(0, job.started_ms + self._clock.clock_offset_ms - job.ready_ms)

    @property
    def rest_s(self) -> float | None:
        """How long the monitor of an idle worker may rest until there is something to write; None: for good."""
        return max(0, self._next_ms - monotonic_ms()) / 1000 if self._has_news else None

    def write_due(self) -> None:
        """Write what is new, unless that was done in the last 10 s."""
        now_ms = monotonic_ms()
        if now_ms >= self._next_ms:
            self._next_ms = now_ms + WRITE_EVERY_MS
            self.write()

    def write(self) -> None:
        """Write what is new. Without Redis it is written next time; what may have arrived is not written twice."""
        with self._writing:
            self._has_news = False
            for queue in self._tallies:
                self._write(queue)

    def _write(self, queue: str) -> None:
        counted = {name: fields - self._written[queue, name] for name, fields in self._counted(queue).items()}
        grown = {name: growth for name, growth in counted.items() if growth}
        if grown and self._is_sent(queue, grown):
            for name, growth in grown.items():
                self._written[queue, name] += growth

    def _counted(self, queue: str) -> dict[str, Counter[str]]:
        """Return all there is by now, by name. A number that another thread is about to change is right next time."""
        alike = self._alike
        found = defaultdict(Counter[str], {name: tally.fields() for name, tally in self._tallies[queue].copy().items()})
        if alike.count and alike.job.queue == queue:
            pending = Tally()
            pending.add(0, self._wait_ms(alike.job), Ended.DONE, alike.count)
            found[alike.job.name] += pending.fields()
        for job in self._running():
            if job.queue == queue:
                found[job.name]["started"] += 1
        return found

    def _is_sent(self, queue: str, grown: Mapping[str, Mapping[str, int]]) -> bool:
        """Return whether it counts as written: what may have arrived is rather lost than counted twice."""
        try:
            self._ask(add_statistics(queue, grown))
        except StoreError as error:
            if not (self._has_failed or isinstance(error, StoreUnavailable)):  # an outage others speak of
                log.event("statistics.refused", level=log.WARNING, queue=queue, error=str(error))
            self._has_failed = self._has_news = True
            return error.unanswered
        self._has_failed = False
        return True
