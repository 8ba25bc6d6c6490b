"""A thread that looks at the running job while the main thread cannot.

It reports finished jobs that wait behind a longer one, gives back those that could run elsewhere, enforces the
soft time limit, cancels, and writes down what the job says of itself. A job that holds the GIL silences it; then the
daemon's limit applies.
"""

from __future__ import annotations

import math
import random
import threading

from jqjobs import log
from jqjobs.board import Board
from jqjobs.clock import monotonic_ms
from jqjobs.job import TakenJob
from jqjobs.retry import reconnect_delay_s
from jqjobs.worker.batch import Batch
from jqjobs.worker.exchange import Exchanger, Fenced
from jqjobs.worker.interrupt import Interrupter
from jqjobs.worker.notes import Notes
from jqjobs.worker.signals import Signals

_LOOK_EVERY_S = 0.02


class Monitor(threading.Thread):
    """Looks every 20 ms while a batch is under way, sleeps otherwise."""

    def __init__(
        self, batch: Batch, board: Board, exchanger: Exchanger, interrupter: Interrupter, signals: Signals,
        prefetch_ms: int, notes: Notes,
    ) -> None:  # fmt: skip
        super().__init__(name="jqjobs-monitor", daemon=True)
        self._batch = batch
        self._board = board
        self._exchanger = exchanger
        self._interrupter = interrupter
        self._signals = signals
        self._prefetch_ms = prefetch_ms
        self._notes = notes
        self._warned: TakenJob | None = None
        self._cancelled: TakenJob | None = None
        self._failures = 0
        self._next_report_ms = 0.0
        self._rng = random.Random()
        self._ended = threading.Event()

    def end(self) -> None:
        """Let the thread come to its end."""
        self._ended.set()
        self._batch.busy.set()

    def run(self) -> None:
        """Look until told to end."""
        while not self._ended.wait(_LOOK_EVERY_S):
            self._batch.busy.wait()
            try:
                self.look()
            except Fenced:
                self._next_report_ms = math.inf  # the main thread hears it on its own next trip
            except Exception:
                log.event("monitor.error", level=40, exc_info=True)

    def look(self) -> None:
        """Do what the running job's age, or the end of the worker, calls for."""
        job, age_ms = self._batch.current, monotonic_ms() - self._batch.started_ms
        if job is None:
            return
        if age_ms > self._prefetch_ms or self._signals.draining:
            self._batch.give_back()
            self._report()
        is_late = job.timeout_ms is not None and age_ms > job.timeout_ms
        if is_late and self._warned is not job and self._interrupter.time_out(job):
            self._warned = job
        is_cancelled = self._cancelled is not job and self._batch.is_cancelled(job)
        if is_cancelled and self._interrupter.cancel(job):
            self._cancelled = job
        self._notes.write_due()

    def _report(self) -> None:
        """Report finished jobs; without Redis with growing pauses, like everybody."""
        if not self._board.lease_holds() or monotonic_ms() < self._next_report_ms:
            return
        self._failures = 0 if self._exchanger.report() else self._failures + 1
        pause_s = reconnect_delay_s(self._failures, self._rng) if self._failures else 0.0
        self._next_report_ms = monotonic_ms() + pause_s * 1000
