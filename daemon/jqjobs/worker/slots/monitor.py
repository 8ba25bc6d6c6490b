"""A thread that looks at the running jobs while the main thread cannot.

It reports finished jobs that wait behind a longer one, gives back those that could run elsewhere, enforces the
soft time limit, cancels, and writes down what jobs say of themselves, and what is counted of them. A job that holds
the GIL silences it; then the daemon recalls what waits, and its limit applies.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.store.outage import Failures
from jqjobs.worker.attempts.note_writer import NoteWriter
from jqjobs.worker.slots.executor import EndSignals
from jqjobs.worker.slots.job_statistics import JobStatistics
from jqjobs.worker.trips.answers import Fenced
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.tail import Tail

_LOOK_EVERY_S = 0.005
#: What is finished is reported after this long, if no trip has taken it along; that of shorter jobs the next one does.
_REPORT_AFTER_MS = 10
#: With several slots there is more to look at, and the main thread is there to report, unless it calls a hook.
_LOOK_AT_MANY_EVERY_S = 0.02
_REPORT_MANY_AFTER_MS = 50
#: A job that goes on although it was told to end is told again after this long.
_AGAIN_MS = 100
_AFTER_ERROR_S = 1.0
#: While nothing is in hand it looks so often whether counts are to be written.
_REST_S = 2.0


def look_every_s(slots: int) -> float:
    """Return how often a monitor looks while there are jobs in hand; so long after they came it does first."""
    return _LOOK_EVERY_S if slots == 1 else _LOOK_AT_MANY_EVERY_S


class JobInterrupter(Protocol):
    """Raises an exception in a running job. False: it does not run, or not yet.

    Called again while it goes on: it may have swallowed that. Whether it is in the middle of heeding it shows here.
    """

    def time_out(self, job: TakenJob) -> bool:
        """Its time is up."""
        ...

    def cancel(self, job: TakenJob) -> bool:
        """Somebody has cancelled it."""
        ...

    def stop(self, job: TakenJob) -> bool:
        """Its worker must stop now."""
        ...


class SlotInterrupter(JobInterrupter, Protocol):
    """The same for several slots."""

    def look_for_blocked(self) -> None:
        """Say what keeps all others waiting."""
        ...


@dataclass(slots=True)
class _Told:
    """A job that was told to end: how, since when (ms), and when it is to be told again."""

    serial: int
    how: str
    since_ms: int
    again_ms: int


class Monitor(threading.Thread):
    """Looks every 5 ms (with several slots 20 ms) while there are jobs in hand, and every 2 s otherwise.

    What begins does not wake it: its first look is one turn later, see `Alarm`. Nor does it wake for what is over by
    then, where the main thread waits for more.
    """

    def __init__(
        self, *, batch: Batch, board: WorkerBoard, exchanger: Exchanger, signals: EndSignals, notes: NoteWriter,
        statistics: JobStatistics, tail: Tail, interrupter: JobInterrupter, slots: SlotInterrupter | None,
        look_every_s: float, prefetch_ms: int, hung_after_ms: float,
    ) -> None:  # fmt: skip
        """``slots``: where there are several; None: one job at a time, in the main thread."""
        super().__init__(name="jqjobs-monitor", daemon=True)
        self._batch = batch
        self._board = board
        self._exchanger = exchanger
        self._interrupter = interrupter
        self._signals = signals
        self._prefetch_ms = prefetch_ms
        self._notes = notes
        self._statistics = statistics
        self._tail = tail
        self._slots = slots
        self._look_every_s = look_every_s
        self._hung_after_ms = hung_after_ms
        #: By place.
        self._told: dict[int, _Told] = {}
        self._failures = Failures(random.Random())
        self._next_report_ms = 0.0
        self._ended = threading.Event()

    def end(self) -> None:
        """Let the thread come to its end."""
        self._ended.set()
        self._batch.busy.set()

    def run(self) -> None:
        """Look until told to end."""
        while not self._ended.wait(self._look_every_s):
            self._batch.busy.wait(min(_REST_S, self._tail.rest_s))
            try:
                self.look()
                self._statistics.write_due()
                self._tail.send_due(self._exchanger.ask)
            except Fenced:
                self._next_report_ms = math.inf  # the main thread hears it on its own next trip
            except Exception:
                log.event("monitor.error", level=log.ERROR, exc_info=True)
                self._ended.wait(_AFTER_ERROR_S)

    def look(self) -> None:
        """Do what the age of the running jobs, or the end of the worker, calls for."""
        running = self._batch.running
        if not running:
            return self._batch.rest()
        stalled_ms = monotonic_ms() - self._batch.last_start_ms
        is_long = self._signals.draining or stalled_ms > self._prefetch_ms
        if is_long and (self._signals.draining or self._batch.solitude is None):
            self._batch.give_back()
        if self._is_to_report(stalled_ms):
            self._report(gives_back=is_long and self._slots is None)
        for job in running:
            self._look_at(job)
        if self._tail.is_on:
            self._tail.look(running)
        if self._slots is not None:
            self._slots.look_for_blocked()
            self._look_for_hung(running)
        self._notes.write_due()
        return None

    def _is_to_report(self, stalled_ms: int) -> bool:
        if self._slots is not None:
            return monotonic_ms() - self._exchanger.sent_ms >= _REPORT_MANY_AFTER_MS
        return stalled_ms >= _REPORT_AFTER_MS or self._signals.draining

    def _look_at(self, job: TakenJob) -> None:
        """Tell a job to end if there is a reason, and again while it runs on."""
        how = self._why_end(job)
        if not how:
            return
        now_ms, told = monotonic_ms(), self._told.get(job.place)
        if told is not None and told.serial != job.serial:
            told = None
        if told is not None and told.how == how and now_ms < told.again_ms:
            return
        tell: Callable[[TakenJob], bool] = getattr(self._interrupter, how)
        if tell(job):
            self._told[job.place] = _Told(job.serial, how, told.since_ms if told else now_ms, now_ms + _AGAIN_MS)

    def _why_end(self, job: TakenJob) -> str:
        """Return as which method of `JobInterrupter` there is a reason to end a job, "" when there is none."""
        if self._batch.is_cancelled(job):
            return "cancel"
        if self._signals.stopping:
            return "stop"
        is_late = job.timeout_ms is not None and monotonic_ms() - job.started_ms > job.timeout_ms
        return "time_out" if is_late else ""

    def _look_for_hung(self, running: list[TakenJob]) -> None:
        """A job that was told to end and goes on will cost its worker; so that must not take more neighbours along."""
        present = {job.serial for job in running} if self._told else ()
        self._told = {place: told for place, told in self._told.items() if told.serial in present}
        since_ms = min((told.since_ms for told in self._told.values()), default=math.inf)
        has_hung = monotonic_ms() - since_ms >= self._hung_after_ms
        if has_hung != self._batch.has_hung:
            self._batch.has_hung = has_hung
            self._signals.wakeup.ring()
        if has_hung:
            self._batch.give_back()

    def _report(self, *, gives_back: bool) -> None:
        """Report finished jobs; without Redis with growing pauses, like everybody. See `Exchanger.report`."""
        if not self._board.lease_holds() or monotonic_ms() < self._next_report_ms:
            return
        if self._exchanger.report(gives_back=gives_back):
            self._failures.clear()
        else:
            self._failures.add()
            self._next_report_ms = monotonic_ms() + self._failures.pause_s() * 1000
