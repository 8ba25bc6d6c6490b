"""Tells who listens which attempts begin and end. While nobody does, nothing is noted and nothing is sent.

Each trip hears whether somebody listens (lua/listen.lua), and has with it what is recorded now: the ends. The monitor
thread sees what runs, and sends:

    trip ──ends──▶ ┐
                   ├─▶ events, a bounded number ──monitor──▶ Redis
 monitor ─begun──▶ ┘
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.statistics import end_of
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls.tail import TailEvent, tell
from jqjobs.store.calls.trips import Trip
from jqjobs.worker.trips.reports import Report

#: Events of a queue that wait to be sent; what comes while there are so many is left out, and that shows.
_MOST = 500
#: So often they are sent, ms: no more than 10,000 a second, which a person cannot follow anyway.
_EVERY_MS = 50
#: Serials that are remembered when there get too many; more than can be in hand.
_MOST_SERIALS = 1000


class _Unsent:
    """Events of one queue. ``number``: of the next one."""

    def __init__(self) -> None:
        self.number = 0
        self.first = 0
        self.events: list[TailEvent] = []

    def add(self, event: TailEvent) -> None:
        if not self.events:
            self.first = self.number
        if len(self.events) < _MOST:
            self.events.append(event)
        self.number += 1


class _End(NamedTuple):
    """An attempt that is recorded."""

    job: TakenJob
    outcome: Outcome | None
    ended_ms: int


class Tail:
    """One a worker.

    `note` is called from any thread, `hear` under the lock of the exchange, the rest by the monitor.
    """

    def __init__(
        self, worker_id: str, *, wake: Callable[[], None] = lambda: None,
        note_ends: Callable[[bool], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """``wake``: tells the monitor that there is something to send. ``note_ends``: has `note` called, or not."""
        #: Whether somebody listens to a queue of this worker.
        self.is_on = False
        self._worker_id = worker_id
        self._wake = wake
        self._note_ends = note_ends
        self._lock = threading.Lock()
        self._queues: frozenset[str] = frozenset()
        self._since_ms = self._offset_ms = 0
        self._ended_ms: dict[int, int] = {}
        #: Serials of what was told to have begun.
        self._begun: set[int] = set()
        self._unsent: dict[str, _Unsent] = {}
        self._next_ms = 0

    def note(self, job: TakenJob) -> None:
        """An attempt ends at this moment; told once it is recorded."""
        self._ended_ms[job.serial] = monotonic_ms()

    @property
    def queues(self) -> frozenset[str]:
        """The queues to which somebody listens, as the last trips have told."""
        return self._queues

    def hear(self, trip: Trip, report: Report, sent_ms: int) -> None:
        """A trip has come back, and what it reported is recorded."""
        with self._lock:
            self._offset_ms = trip.now_ms - monotonic_ms()
            self._listen(frozenset(trip.tailed))
            done: list[tuple[TakenJob, Outcome | None]] = [(job, None) for job in report.done]
            ended = done + [(outcome.job, outcome) for outcome in report.outcomes]
            ends = [_End(job, outcome, self._ended_ms.pop(job.serial, sent_ms)) for job, outcome in ended]
            for end in sorted(ends, key=lambda end: end.ended_ms):
                if end.job.queue in self._queues and end.job.id not in trip.stale:
                    self._tell_end(end)
            has_news = any(unsent.events for unsent in self._unsent.values())
        if has_news:
            self._wake()

    def _listen(self, queues: frozenset[str]) -> None:
        if queues and not self._queues:
            self._since_ms = monotonic_ms()
        if self._queues != queues:  # who listens again later, to one of thousands, counts anew
            self._unsent = {queue: unsent for queue, unsent in self._unsent.items() if unsent.events or queue in queues}
        self._queues = queues
        if self.is_on is not bool(queues):
            self.is_on = bool(queues)
            self._note_ends(self.is_on)
        if not queues or len(self._ended_ms) > _MOST_SERIALS:
            self._ended_ms.clear()

    def _tell_end(self, end: _End) -> None:
        job, how = end.job, end_of(end.outcome)
        if how is None:
            return  # it did not begin
        self._tell_begin(job)
        run_ms = max(0, end.ended_ms - job.started_ms)
        self._add(job, "ended", end.ended_ms, how.value, run_ms)

    def look(self, running: Sequence[TakenJob]) -> None:
        """Tell which of the jobs that run now have begun since somebody listens."""
        with self._lock:
            for job in running:
                if job.queue in self._queues:
                    self._tell_begin(job)
            if len(self._begun) > 2 * _MOST_SERIALS:
                oldest = max(self._begun) - _MOST_SERIALS
                self._begun = {serial for serial in self._begun if serial > oldest} | {job.serial for job in running}

    def _tell_begin(self, job: TakenJob) -> None:
        if job.serial not in self._begun:
            self._begun.add(job.serial)
            if job.started_ms >= self._since_ms:
                self._add(job, "started", job.started_ms)

    def _add(
        self, job: TakenJob, event: str, moment_ms: int, outcome: str | None = None, run_ms: int | None = None
    ) -> None:  # fmt: skip
        at_ms = moment_ms + self._offset_ms
        told = TailEvent(event, job.id, job.queue, job.name, job.attempt, outcome, run_ms, at_ms)
        self._unsent.setdefault(job.queue, _Unsent()).add(told)

    def send_due(self, ask: Callable[[Call[int]], int]) -> None:
        """Send what there is, if that was not done just now."""
        if self._unsent and (now_ms := monotonic_ms()) >= self._next_ms:
            self._next_ms = now_ms + _EVERY_MS
            self.send(ask)

    def send(self, ask: Callable[[Call[int]], int]) -> None:
        """Send what there is; ``ask``: runs a call. What Redis does not hear is left out."""
        for queue, unsent in list(self._unsent.items()):
            with self._lock:
                first, events, unsent.events = unsent.first, unsent.events, []
            if events:
                try:
                    ask(tell(queue, self._worker_id, first, events))
                except StoreError:
                    pass  # the numbers of those that come later show that some are missing

    @property
    def rest_s(self) -> float:
        """How long the monitor of an idle worker may rest until something is to be sent; inf: there is nothing."""
        if not self._unsent or not any(unsent.events for unsent in self._unsent.copy().values()):
            return math.inf
        return max(0, self._next_ms - monotonic_ms()) / 1000
