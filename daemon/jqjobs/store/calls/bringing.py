"""Brings jobs that left a queue to where they go. Where one place takes none, the others get theirs: one node of a
cluster may be down for long, and what goes there is the oldest then.

    transfers   the oldest, at most 50
    deliver     to each place its own; what one did not answer to stays, and is not tried again in this round
    departures  once some have to stay: which of those behind them go elsewhere

A place that takes long not to answer ends a round whose time is over: the next one knows of it (`SilentNodes`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import attrgetter

from jqjobs.errors import StoreError
from jqjobs.jobs.partitions import Partitions, queue_of, spread_word
from jqjobs.store.calls.partitions import partitions
from jqjobs.store.calls.transfers import (
    Delivered,
    Departure,
    Transfer,
    Transfers,
    acknowledge,
    deliver,
    delivered,
    departures,
    transfers,
)
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.reply_values import text
from jqjobs.store.steps import Failures, Steps

#: What a place has said of a job that it has, or does not take.
CONCLUDED = frozenset({Delivered.DELIVERED, Delivered.ID_TAKEN, Delivered.KEY_TAKEN})
#: Jobs that are brought at once.
_AT_ONCE = 50
#: A round looks for others among so many thousands of jobs that have to stay.
_MOST_LOOKS = 20


class Bringing:
    """One round, from one queue. ``failures``: of places, and of queues whose partitions could not be read.

    A job that may be in a place which does not answer goes to no other one: it may be there already.
    ``brought``: so many jobs left for good. ``onward``: queues from which more is to be taken along by that.
    ``has_more``: the time was over.
    """

    def __init__(self, queue: str, until_s: float = math.inf) -> None:
        """``until_s``: monotonic, s; no place is tried after the first one that fails past it."""
        self._queue = queue
        self._until_s = until_s
        self.failures = Failures(until_s)
        self.brought = 0
        self.onward: set[str] = set()
        self.has_more = False
        self._known: dict[str, Partitions | None] = {}
        #: Ids of those that go elsewhere, the oldest first; and how many of all have to stay before these.
        self._others: list[str] = []
        self._stay = 0

    def go_through(self, age_ms: int) -> Steps[None]:
        """Bring all jobs that left ``age_ms`` ago, until the time is over.

        Raises: StoreError, at the end: some did not get away.
        """
        while not self.has_more and (done := (yield from self._bring_oldest(age_ms))):
            self.brought += done
            self.has_more = time.monotonic() >= self._until_s
        self.failures.raise_first()

    def _bring_oldest(self, age_ms: int) -> Steps[int]:
        """Bring the oldest jobs that left ``age_ms`` ago and can be brought, at most 50; how many left for good."""
        while True:
            silent = len(self.failures.places)
            ids = (yield from self._next_others(age_ms)) if silent else []
            if self.failures.has_ended or (silent and not ids):
                return 0
            found: Transfers = yield transfers(self._queue, ids, age_ms)
            if targets := sorted({job.target for job in found.jobs} - {queue_of(self._queue)}):
                # The node of the names may be down; who names a queue serves it all the same.
                with suppress(StoreError):
                    yield add_queues(targets)
            answers = yield from self.bring(found)
            done = sum(answer in CONCLUDED for answer in answers.values())
            if done or self.failures.has_ended or len(self.failures.places) == silent:
                return done

    def _next_others(self, age_ms: int) -> Steps[list[str]]:
        looks = 0
        while not self._others and looks < _MOST_LOOKS:
            rows: list[Departure] = yield departures(self._queue, age_ms, self._stay)
            self._others = [
                row.id for row in rows if self.failures.places.isdisjoint(self._places(row.target, _word(row)))
            ]
            self._stay += len(rows) - len(self._others)
            looks += 1 if rows else _MOST_LOOKS
        ids, self._others = self._others[:_AT_ONCE], self._others[_AT_ONCE:]
        return ids

    def _places(self, target: str, word: str) -> list[str]:
        """Return where a job is asked for, as far as that is known by now."""
        home = [] if target == queue_of(self._queue) else [target]
        known = self._known.get(target)
        return [*home, *(place_of(word) for place_of in _candidates(known))] if known else [target]

    def bring(self, found: Transfers) -> Steps[dict[str, Delivered]]:
        """Bring jobs to their queues; return what came of each, LATE for what stays, and is to be read again."""
        said: dict[str, Delivered] = {}
        by_target = attrgetter("target")
        for target, bundle in groupby(sorted(found.jobs, key=by_target), by_target):
            said |= yield from self._bring_to_queue(target, found.now_ms, list(bundle))
        return said

    def _bring_to_queue(self, target: str, read_ms: int, jobs: Sequence[Transfer]) -> Steps[dict[str, Delivered]]:
        """Bring jobs to their queue; where that has partitions, each to the one it is for."""
        said = dict.fromkeys([job.id for job in jobs], Delivered.ELSEWHERE)
        if queue_of(self._queue) != target:
            said |= yield from self._bring_to(target, read_ms, jobs)
        if Delivered.ELSEWHERE in said.values():
            yield from self._look(target)
        for place_of in _candidates(self._known.get(target)):
            left = [(place_of(_word_of(job)), job) for job in jobs if said[job.id] is Delivered.ELSEWHERE]
            for place, pairs in groupby(sorted(left, key=lambda pair: pair[0]), lambda pair: pair[0]):
                said |= yield from self._bring_to(place, read_ms, [job for _, job in pairs])
        return {job_id: Delivered.LATE if it is Delivered.ELSEWHERE else it for job_id, it in said.items()}

    def _look(self, target: str) -> Steps[None]:
        self._known[target] = None
        if self.failures.has_ended:
            return
        try:
            self._known[target] = yield partitions(target)
        except StoreError as error:
            self.failures.note(target, error)

    def _bring_to(self, place: str, read_ms: int, jobs: Sequence[Transfer]) -> Steps[dict[str, Delivered]]:
        if self.failures.has_ended or place in self.failures.places:
            return dict.fromkeys([job.id for job in jobs], Delivered.LATE)
        try:
            said: list[Delivered] = yield deliver(place, self._queue, read_ms, jobs)
            pairs = [(job, answer) for job, answer in zip(jobs, said, strict=True) if answer in CONCLUDED]
            if pairs:
                yield delivered(self._queue, pairs)
                if any(answer is not Delivered.DELIVERED for _, answer in pairs):
                    self.onward.add(self._queue)  # what has to stay may be waited for
                yield acknowledge(place, self._queue, [job.token for job, _ in pairs])
        except StoreError as error:
            self.failures.note(place, error)
            return dict.fromkeys([job.id for job in jobs], Delivered.LATE)
        if any(b"batch" in job.fields[::2] for job, _ in pairs):
            self.onward.add(place)  # the batch is to hear where it is
        return {job.id: answer for job, answer in zip(jobs, said, strict=True)}


def _candidates(known: Partitions | None) -> Iterator[Callable[[str], str]]:
    """Yield what says where a job may be, by its word, if it came there before, the last one where it belongs now."""
    if known:
        yield from [lambda word, each=each: known.place_in(each, word) for each in known.before]
        yield known.place


def _word_of(job: Transfer) -> str:
    said = dict(zip(map(text, job.fields[::2]), job.fields[1::2], strict=True))
    return _word(Departure(job.id, job.target, text(said.get("key", b"")), text(said.get("fair", b""))))


def _word(job: Departure) -> str:
    return spread_word(job.id, "" if job.group else job.key, job.group)  # one that is moved may have both
