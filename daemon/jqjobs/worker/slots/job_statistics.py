"""Counts what became of the attempts of one worker, by job name, and now and then adds that to what Redis has, with the
latest of them.

Counting is one look-up and a few additions a job, in this process only. The monitor thread writes every 10 s what is
new, so a worker that is killed loses that much, or two seconds more where it was idle; one that drains loses nothing.
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
from jqjobs.jobs.statistics import BUCKETS, MOST_RECENT, Ended, bucket_of, end_line, end_of
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


class _Ends:
    """Attempts that ended alike; more than one only where they are successes of no length, begun within one ms.

    Copied from the first one, since a job has its payload with it.
    """

    __slots__ = ("count", "ended", "ended_ms", "name", "queue", "ready_ms", "run_ms", "started_ms", "wait_ms")

    def __init__(self, job: TakenJob, ended: Ended, ended_ms: int, clock_offset_ms: int) -> None:
        self.queue, self.name = job.queue, job.name
        self.ready_ms, self.started_ms, self.ended_ms = job.ready_ms, job.started_ms, ended_ms
        self.run_ms = ended_ms - job.started_ms
        # The two clocks are compared once a trip, so it may seem to start before it was there.
        self.wait_ms = max(0, job.started_ms + clock_offset_ms - job.ready_ms) if job.ready_ms else None
        self.ended, self.count = ended, 1


#: Ids of the jobs of a queue that ended last, and how each did. No more than are wanted, however many jobs end alike.
_Latest = deque[tuple[str, _Ends]]


def _latest() -> _Latest:
    return deque(maxlen=MOST_RECENT)


_NONE = _Ends(TakenJob("", "", 0, "", b""), Ended.DONE, -1, 0)
_NONE.count = 0


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
        #: Not in a tally yet, and the latest ones of that queue.
        self._alike, self._like_it = _NONE, _latest()
        #: The latest ones that are not written yet: those that `write` has not seen, and those that it has.
        self._latest = defaultdict[str, _Latest](_latest)
        self._unwritten = defaultdict[str, _Latest](_latest)
        self._counting = threading.Lock()
        self._writing = threading.Lock()
        self._has_news = self._has_failed = False
        script("add_statistics")  # is read now: later a job may have used up all descriptors
        # What began together does not write together.
        self._next_ms = monotonic_ms() + int(WRITE_EVERY_MS * rng.random())

    def count(self, job: TakenJob, outcome: Outcome | None, ended_ms: int) -> None:
        """An attempt has ended, at ``ended_ms`` boottime; None: a success with nothing to say."""
        alike = self._alike
        # Most jobs of a drain are like the one before: then this is a third as long.
        if (
            outcome is None and ended_ms == job.started_ms == alike.started_ms and job.name is alike.name
            and job.ready_ms == alike.ready_ms and job.queue is alike.queue
        ):  # fmt: skip
            alike.count += 1
            self._like_it.append((job.id, alike))
        else:
            self._count_other(job, outcome, ended_ms)

    def _count_other(self, job: TakenJob, outcome: Outcome | None, ended_ms: int) -> None:
        with self._counting:
            if self._alike.count:
                self._tally(self._alike)
            self._alike = _NONE
            if (ended := end_of(outcome)) is not None:
                ends = _Ends(job, ended, ended_ms, self._clock.clock_offset_ms)
                latest = self._latest[job.queue]
                if ended is not Ended.WAITING:  # the job goes on
                    latest.append((job.id, ends))
                if outcome is None and not ends.run_ms:
                    self._alike, self._like_it = ends, latest
                else:
                    self._tally(ends)
        self._has_news = True

    def _tally(self, ends: _Ends) -> None:
        tallies = self._tallies[ends.queue]
        if ends.name not in tallies:
            tallies[ends.name] = Tally()
        tallies[ends.name].add(ends.run_ms, ends.wait_ms, ends.ended, ends.count)

    def write_due(self) -> None:
        """Write what is new, unless that was done in the last 10 s."""
        now_ms = monotonic_ms()
        has_news = self._has_news or self._like_it
        if now_ms >= self._next_ms and (has_news or self._runs_since(now_ms - WRITE_EVERY_MS)):
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
            is_told = ended == self._written[queue] and not (self._latest[queue] or self._unwritten[queue])
            if is_told and self._alike.queue != queue:  # else the next one may be counted there
                for kept in (self._tallies, self._written, self._latest, self._unwritten):
                    kept.pop(queue, None)

    def _counted(self, queue: str) -> dict[str, Counter[str]]:
        """Return all there is by now, by name. A number that another thread is about to change is right next time."""
        found = defaultdict(Counter[str], {name: tally.fields() for name, tally in self._tallies[queue].copy().items()})
        alike = self._alike  # looked at later: what has gone from here to there meanwhile is missed, not counted twice
        if alike.count and alike.queue == queue:
            pending = Tally()
            pending.add(0, alike.wait_ms, Ended.DONE, alike.count)
            found[alike.name] += pending.fields()
        for job in self._running():
            if job.queue == queue:
                found[job.name]["started"] += 1
        return found

    def _last_ends(self, queue: str) -> list[tuple[int, str]]:
        """Return those not written yet, each with its moment by the clock of Redis, latest first."""
        with self._counting:  # or it might be made twice
            latest = self._latest[queue]
        unwritten = self._unwritten[queue]
        for _ in range(len(latest)):  # one by one: another thread adds to it
            unwritten.append(latest.popleft())
        return [self._line(job_id, ends) for job_id, ends in reversed(unwritten)]

    def _line(self, job_id: str, ends: _Ends) -> tuple[int, str]:
        line = end_line(job_id, ends.name, ends.ended, ends.run_ms, ends.wait_ms)
        return ends.ended_ms + self._clock.clock_offset_ms, line

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
