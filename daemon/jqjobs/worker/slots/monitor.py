"""A thread that looks at the running jobs while the main thread cannot.

It reports finished jobs that wait behind a longer one, gives back those that could run elsewhere, enforces the
soft time limit, cancels, and writes down what jobs say of themselves. A job that holds the GIL silences it; then the
daemon recalls what waits, and its limit applies.
"""

from __future__ import annotations

import math
import random
import threading
from typing import Protocol

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import TakenJob
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.store.outage import Failures
from jqjobs.worker.attempts.note_writer import NoteWriter
from jqjobs.worker.slots.executor import EndSignals
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger, Fenced

_LOOK_EVERY_S = 0.005
#: What is finished is reported after this long, if no trip has taken it along.
_REPORT_AFTER_MS = 5
#: With several slots there is more to look at, and the main thread is there to report, unless it calls a hook.
_LOOK_AT_MANY_EVERY_S = 0.02
_REPORT_MANY_AFTER_MS = 50


class JobInterrupter(Protocol):
    """Raises an exception in a running job. False: it does not run, or not yet."""

    def time_out(self, job: TakenJob) -> bool:
        """Its time is up."""
        ...

    def cancel(self, job: TakenJob) -> bool:
        """Somebody has cancelled it."""
        ...


class SlotInterrupter(JobInterrupter, Protocol):
    """The same for several slots."""

    def stop(self, job: TakenJob) -> bool:
        """Its worker must stop now."""
        ...

    def look_for_blocked(self) -> None:
        """Say what keeps all others waiting."""
        ...


class Monitor(threading.Thread):
    """Looks every 5 ms (with several slots 20 ms) while there are jobs in hand, sleeps otherwise."""

    def __init__(
        self, *, batch: Batch, board: WorkerBoard, exchanger: Exchanger, signals: EndSignals, notes: NoteWriter,
        interrupter: JobInterrupter, slots: SlotInterrupter | None, prefetch_ms: int, kill_after_s: float,
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
        self._slots = slots
        self._look_every_s = _LOOK_EVERY_S if slots is None else _LOOK_AT_MANY_EVERY_S
        self._hung_after_ms = kill_after_s * 1000 / 2
        self._stopped: dict[int, int] = {}
        self._told_ms: dict[int, int] = {}
        #: Places whose job was told that its time is up, or that it is cancelled, with the job's number.
        self._warned: dict[int, int] = {}
        self._cancelled: dict[int, int] = {}
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
            self._batch.busy.wait()
            try:
                self.look()
            except Fenced:
                self._next_report_ms = math.inf  # the main thread hears it on its own next trip
            except Exception:
                log.event("monitor.error", level=log.ERROR, exc_info=True)

    def look(self) -> None:
        """Do what the age of the running jobs, or the end of the worker, calls for."""
        running = self._batch.running
        if not running:
            return self._batch.rest()
        stalled_ms = monotonic_ms() - self._batch.last_start_ms
        if stalled_ms > self._prefetch_ms or self._signals.draining:
            self._batch.give_back()
        if self._is_to_report(stalled_ms):
            self._report()
        for job in running:
            self._look_at(job)
        if self._slots is not None:
            self._look_at_slots(self._slots, running)
        self._notes.write_due()
        return None

    def _is_to_report(self, stalled_ms: int) -> bool:
        if self._slots is not None:
            return monotonic_ms() - self._exchanger.sent_ms >= _REPORT_MANY_AFTER_MS
        return stalled_ms >= _REPORT_AFTER_MS or self._signals.draining

    def _look_at(self, job: TakenJob) -> None:
        is_late = job.timeout_ms is not None and monotonic_ms() - job.started_ms > job.timeout_ms
        if is_late and self._warned.get(job.place) != job.serial and self._interrupter.time_out(job):
            self._note_told(self._warned, job)
        is_cancelled = self._batch.is_cancelled(job) and self._cancelled.get(job.place) != job.serial
        if is_cancelled and self._interrupter.cancel(job):
            self._note_told(self._cancelled, job)

    def _note_told(self, told: dict[int, int], job: TakenJob) -> None:
        told[job.place] = job.serial
        self._told_ms.setdefault(job.serial, monotonic_ms())

    def _look_at_slots(self, slots: SlotInterrupter, running: list[TakenJob]) -> None:
        slots.look_for_blocked()
        if self._signals.stopping:
            for job in running:
                if self._stopped.get(job.place) != job.serial and slots.stop(job):
                    self._stopped[job.place] = job.serial
        self._look_for_hung(running)

    def _look_for_hung(self, running: list[TakenJob]) -> None:
        """A job that was told to end and goes on will cost its worker; so that must not take more neighbours along."""
        present = {job.serial for job in running} if self._told_ms else ()
        self._told_ms = {serial: told_ms for serial, told_ms in self._told_ms.items() if serial in present}
        since_ms = min(self._told_ms.values(), default=math.inf)
        has_hung = monotonic_ms() - since_ms >= self._hung_after_ms
        if has_hung != self._batch.has_hung:
            self._batch.has_hung = has_hung
            self._signals.wakeup.ring()
        if has_hung:
            self._batch.give_back()

    def _report(self) -> None:
        """Report finished jobs; without Redis with growing pauses, like everybody."""
        if not self._board.lease_holds() or monotonic_ms() < self._next_report_ms:
            return
        if self._exchanger.report(gives_back=self._slots is None):
            self._failures.clear()
        else:
            self._failures.add()
            self._next_report_ms = monotonic_ms() + self._failures.pause_s() * 1000
