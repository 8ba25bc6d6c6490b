"""Counts what became of the attempts of one worker, by job name, and now and then adds that to what Redis has, with the
latest of them.

Counting is a few additions a job, in this process only. The monitor thread writes every 10 s what is new, so a worker
that is killed loses that much; one that drains loses nothing.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.statistics import BUCKETS, MOST_RECENT, Ended, bucket_around, bucket_of, end_line, end_of
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls.statistics import add_statistics
from jqjobs.store.scripts import script

WRITE_EVERY_MS = 10_000


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

    def add(self, alike: Alike) -> None:
        """Count attempts that are alike."""
        self.ends[alike.ended] += alike.count
        self.run_ms += alike.run_ms
        self.runs[bucket_of(alike.runs[0])] += alike.count
        if alike.waits:
            self.wait_ms += alike.wait_ms
            self.waits[bucket_of(alike.waits[0])] += alike.count

    def fields(self) -> Counter[str]:
        """Return what is counted, as the store has it."""
        found = Counter({"started": sum(self.ends.values()), "run_ms": self.run_ms, "wait_ms": self.wait_ms})
        found.update({end.value: count for end, count in self.ends.items() if count})
        for what, counts in (("run", self.runs), ("wait", self.waits)):
            found.update({f"{what}:{n}": count for n, count in enumerate(counts) if count})
        return found


class Alike:
    """Attempts of one name that ended alike, and whose times are counted in the same buckets."""

    __slots__ = ("count", "ended", "latest", "name", "queue", "run_ms", "runs", "wait_ms", "waits")

    def __init__(self, queue: str, name: str, ended: Ended, run_ms: int, wait_ms: int | None, latest: Latest) -> None:
        """One attempt; ``wait_ms`` None: that is not known, or no news."""
        self.queue, self.name, self.ended, self.latest = queue, name, ended, latest
        self.count, self.run_ms, self.wait_ms = 1, run_ms, wait_ms or 0
        self.runs = bucket_around(run_ms)
        self.waits = range(0) if wait_ms is None else bucket_around(wait_ms)


#: The last attempts of a queue that ended: id, name, how, when (boottime), for how long it ran and had waited (all ms).
Latest = deque[tuple[str, str, Ended, int, int, int | None]]


def _latest() -> Latest:
    return deque(maxlen=MOST_RECENT)


_DONE, _NONE = Ended.DONE, Alike("", "", Ended.DONE, 0, None, _latest())


class JobStatistics:
    """One a worker. `count` is called where jobs end, by one thread at a time; `write` by the monitor and at the end.

    What is counted only grows, and what has grown since it was written last is added. What is written is forgotten,
    queue by queue, as soon as nothing of it runs: there may be thousands.
    """

    def __init__(
        self, clock: RedisClock, running: Callable[[], Sequence[TakenJob]],
        ask: Callable[[Call[int]], int], rng: random.Random,
    ) -> None:  # fmt: skip
        """``running``: returns the jobs that run now. ``ask``: runs a call; raises StoreError."""
        self._clock = clock
        self._running = running
        self._ask = ask
        self._tallies: dict[str, dict[str, Tally]] = defaultdict(dict)
        self._written = defaultdict[str, dict[str, Counter[str]]](lambda: defaultdict(Counter))
        #: Not in a tally yet.
        self._alike = _NONE
        #: Those that `write` has not seen, and those that it has seen and not written.
        self._latest = defaultdict[str, Latest](_latest)
        self._unwritten = defaultdict[str, Latest](_latest)
        self._counting = threading.Lock()
        self._writing = threading.Lock()
        self._has_news = self._has_failed = False
        script("add_statistics")  # is read now: later a job may have used up all descriptors
        # What began together does not write together.
        self._next_ms = monotonic_ms() + int(WRITE_EVERY_MS * rng.random())

    def count(self, job: TakenJob, outcome: Outcome | None, ended_ms: int) -> None:
        """An attempt has ended, at ``ended_ms`` boottime; None: a success with nothing to say."""
        started_ms, ready_ms, alike = job.started_ms, job.ready_ms, self._alike
        run_ms, wait_ms = ended_ms - started_ms, started_ms + self._clock.clock_offset_ms - ready_ms
        # Most jobs are like the one before: then this is a tenth as long.
        if (
            outcome is None and ready_ms and wait_ms in alike.waits and run_ms in alike.runs
            and job.name == alike.name and job.queue == alike.queue
        ):  # fmt: skip
            alike.count += 1
            alike.run_ms += run_ms
            alike.wait_ms += wait_ms
            alike.latest.append((job.id, job.name, _DONE, ended_ms, run_ms, wait_ms))
        elif (ended := end_of(outcome)) is not None:
            # The two clocks are compared once a trip, so it may seem to start before it was there.
            self._count_other(job, ended, ended_ms, max(0, wait_ms) if ready_ms else None)

    def _count_other(self, job: TakenJob, ended: Ended, ended_ms: int, wait_ms: int | None) -> None:
        run_ms = ended_ms - job.started_ms
        with self._counting:
            if (before := self._alike) is not _NONE:
                self._tally(before)
            latest = self._latest[job.queue]
            self._alike = Alike(job.queue, job.name, ended, run_ms, wait_ms, latest)
            if ended is not Ended.WAITING:  # the job goes on
                latest.append((job.id, job.name, ended, ended_ms, run_ms, wait_ms))
            if ended is not Ended.DONE:
                self._tally(self._alike)
                self._alike = _NONE
            self._has_news = True

    def _tally(self, alike: Alike) -> None:
        tallies = self._tallies[alike.queue]
        if alike.name not in tallies:
            tallies[alike.name] = Tally()
        tallies[alike.name].add(alike)

    def write_due(self) -> None:
        """Write what is new, unless that was done in the last 10 s."""
        now_ms = monotonic_ms()
        if now_ms >= self._next_ms:
            has_ended = self._has_news or self._alike.latest
            if has_ended or self._runs_since(now_ms - WRITE_EVERY_MS):
                self._next_ms = now_ms + WRITE_EVERY_MS
                self.write()

    def _runs_since(self, moment_ms: int) -> bool:
        """Whether a job runs for so long that others shall hear of it; else it is said when it has ended."""
        return any(job.started_ms <= moment_ms for job in self._running())

    def write(self) -> None:
        """Write what is new. Without Redis it is written next time; what may have arrived is not written twice."""
        with self._writing:
            self._has_news = False
            # Other threads begin with a queue meanwhile.
            running = [job.queue for job in self._running()]
            for queue in dict.fromkeys([*self._tallies.copy(), *self._latest.copy(), *self._unwritten, *running]):
                self._write(queue)
                self._forget_written(queue)

    def _write(self, queue: str) -> None:
        written = self._written[queue]
        counted = {name: fields - written[name] for name, fields in self._counted(queue).items()}
        grown = {name: growth for name, growth in counted.items() if growth}
        ends = self._last_ends(queue)
        if (grown or ends) and self._is_sent(queue, grown, ends):
            self._unwritten[queue].clear()
            for name, growth in grown.items():
                written[name] += growth

    def _forget_written(self, queue: str) -> None:
        """Forget a queue of which all that is written has ended, and all that has ended is written."""
        with self._counting:
            ended = {name: tally.fields() for name, tally in self._tallies[queue].items()}
            if ended == self._written[queue] and not (self._latest[queue] or self._unwritten[queue]):
                for kept in (self._tallies, self._written, self._latest, self._unwritten):
                    kept.pop(queue, None)

    def _counted(self, queue: str) -> dict[str, Counter[str]]:
        """Return all there is by now, by name. A number that another thread is about to change is right next time."""
        alike = self._alike
        found = defaultdict(Counter[str], {name: tally.fields() for name, tally in self._tallies[queue].copy().items()})
        if alike.queue == queue:
            pending = Tally()
            pending.add(alike)
            found[alike.name] += pending.fields()
        for job in self._running():
            if job.queue == queue:
                found[job.name]["started"] += 1
        return found

    def _last_ends(self, queue: str) -> list[tuple[int, str]]:
        """Return those not written yet, each with its moment by the clock of Redis, latest first."""
        latest, unwritten, offset_ms = self._latest[queue], self._unwritten[queue], self._clock.clock_offset_ms
        for _ in range(len(latest)):  # one by one: others add to it meanwhile
            unwritten.append(latest.popleft())
        return [
            (ended_ms + offset_ms, end_line(job_id, name, ended, run_ms, wait_ms))
            for job_id, name, ended, ended_ms, run_ms, wait_ms in reversed(unwritten)
        ]

    def _is_sent(self, queue: str, grown: Mapping[str, Mapping[str, int]], ends: Sequence[tuple[int, str]]) -> bool:
        """Return whether it counts as written: what may have arrived is rather lost than counted twice."""
        try:
            self._ask(add_statistics(queue, grown, ends))
        except StoreError as error:
            if not (self._has_failed or isinstance(error, StoreUnavailable)):  # an outage others speak of
                log.event("statistics.refused", level=log.WARNING, queue=queue, error=str(error))
            self._has_failed = self._has_news = True
            return error.unanswered
        self._has_failed = False
        return True
