"""Counts what became of the attempts of one worker, by job name, and now and then adds that to what Redis has.

Counting is one look-up and a few additions a job, in this process only. The monitor thread writes every 10 s what is
new, so a worker that is killed loses that much; one that drains loses nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind, TakenJob
from jqjobs.jobs.statistics import BUCKETS, Ended, bucket_of
from jqjobs.store.call import Call
from jqjobs.store.calls.statistics import add_statistics

WRITE_EVERY_MS = 10_000
#: Kinds that are no end of an attempt are not here: it did not begin.
_ENDED = {
    Kind.DONE: Ended.DONE, Kind.KEPT: Ended.DONE, Kind.FAILED: Ended.RETRIED, Kind.HUNG: Ended.HUNG,
    Kind.DISCARDED: Ended.DISCARDED, Kind.CANCELLED: Ended.CANCELLED, Kind.INTERRUPTED: Ended.INTERRUPTED,
    Kind.WAITING: Ended.WAITING,
}  # fmt: skip


class RedisClock(Protocol):
    """What to add to `monotonic_ms` to get the time of Redis."""

    clock_offset_ms: int


class Tally:
    """Of the jobs of one name in one queue, since the worker began."""

    __slots__ = ("ends", "run_ms", "runs", "wait_ms", "waits")

    def __init__(self) -> None:
        self.ends = Counter[Ended]()
        self.run_ms = self.wait_ms = 0
        self.runs = [0] * BUCKETS
        self.waits = [0] * BUCKETS

    def fields(self, running: int) -> dict[str, int]:
        """Return what is counted, as the store has it. ``running``: how many have begun and not ended."""
        found: dict[str, int] = {"started": self.ends.total() + running, "run_ms": self.run_ms, "wait_ms": self.wait_ms}
        found |= {end.value: count for end, count in self.ends.items()}
        for what, counts in (("run", self.runs), ("wait", self.waits)):
            found |= {f"{what}:{n}": count for n, count in enumerate(counts) if count}
        return found


class JobStatistics:
    """One a worker. `count` is called where jobs end, by one thread at a time; `write` by the monitor and at the end.

    What is counted only grows: a writer adds by how much it has grown since it was written last, and needs no lock.
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
        self._written: dict[tuple[str, str], dict[str, int]] = {}
        #: The last job of no length, and how many like it are not added to its tally yet.
        self._like, self._alike = TakenJob("", "", 0, "", b""), 0
        self._has_news = self._has_failed = False
        self._next_ms = monotonic_ms() + int(
            WRITE_EVERY_MS * rng.random()
        )  # what began together does not write together

    def count(self, job: TakenJob, outcome: Outcome | None, ended_ms: int) -> None:
        """An attempt has ended, at ``ended_ms`` boottime; None: a success with nothing to say."""
        like = self._like
        # Jobs of no length, alike and within one ms, are added up first: then one costs a third.
        if (
            outcome is None and ended_ms == job.started_ms == like.started_ms and job.name is like.name
            and job.ready_ms == like.ready_ms and job.queue is like.queue
        ):  # fmt: skip
            self._alike += 1
        else:
            self._count_other(job, outcome, ended_ms)

    def _count_other(self, job: TakenJob, outcome: Outcome | None, ended_ms: int) -> None:
        self._add_alike()
        if outcome is None and ended_ms == job.started_ms:
            self._like, self._alike = job, 1
        elif outcome is None or outcome.kind in _ENDED:
            self._add(job, ended_ms - job.started_ms, 1, _end_of(outcome))
        if not self._has_news:
            self._has_news = True
            self._wake()

    def _add_alike(self) -> None:
        if self._alike:
            count, self._alike = self._alike, 0
            self._add(self._like, 0, count, Ended.DONE)

    def _add(self, job: TakenJob, run_ms: int, count: int, ended: Ended) -> None:
        try:
            tally = self._tallies[job.queue][job.name]
        except KeyError:
            tally = self._tallies[job.queue][job.name] = Tally()
        tally.ends[ended] += count
        tally.run_ms += run_ms * count
        tally.runs[bucket_of(run_ms)] += count
        if job.ready_ms:  # the clocks are read at different moments
            wait_ms = max(0, job.started_ms + self._clock.clock_offset_ms - job.ready_ms)
            tally.wait_ms += wait_ms * count
            tally.waits[bucket_of(wait_ms)] += count

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
        self._has_news = False
        for queue in self._tallies:
            counted = self._counted(queue)
            grown = {name: self._growth(queue, name, fields) for name, fields in counted.items()}
            grown = {name: growth for name, growth in grown.items() if growth}
            if not grown or self._is_sent(queue, grown):
                self._written |= {(queue, name): fields for name, fields in counted.items()}

    def _counted(self, queue: str) -> dict[str, dict[str, int]]:
        running = Counter(job.name for job in self._running() if job.queue == queue)
        tallies = dict.fromkeys(running, Tally()) | self._tallies[queue]
        return {name: tally.fields(running[name]) for name, tally in tallies.items()}

    def _growth(self, queue: str, name: str, fields: dict[str, int]) -> dict[str, int]:
        before = self._written.get((queue, name), {})
        return {
            field: number - before.get(field, 0) for field, number in fields.items() if number > before.get(field, 0)
        }

    def _is_sent(self, queue: str, grown: dict[str, dict[str, int]]) -> bool:
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


def _end_of(outcome: Outcome | None) -> Ended:
    if outcome is None:
        return Ended.DONE
    return Ended.FAILED if outcome.kind is Kind.FAILED and outcome.is_last else _ENDED[outcome.kind]
