"""The jobs a worker has in hand: what is not started, and what runs. What has ended goes into its `Reports`.

Slots start jobs from the left; the monitor thread may give back unstarted ones from the right. A lock costs less
than a tenth of a microsecond a job.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence

from jqjobs.base.alarm import Alarm
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board_layout import Stage
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.worker.trips.reports import Reports
from jqjobs.worker.trips.solitude import Solitude

#: What the board says of a job that ended and is not yet reported, for the case that this process dies now.
#: An interrupted one counts as running: whoever ends a worker that was stopped charges it an interrupt.
_STAGES = {
    Kind.DONE: Stage.SUCCEEDED, Kind.KEPT: Stage.SUCCEEDED,
    Kind.FAILED: Stage.FAILED, Kind.HUNG: Stage.FAILED, Kind.DISCARDED: Stage.FAILED, Kind.CANCELLED: Stage.FAILED,
    Kind.INTERRUPTED: Stage.RUNNING,
    Kind.UNKNOWN: Stage.RELEASED, Kind.MISFIT: Stage.RELEASED, Kind.MALFORMED: Stage.RELEASED,
    Kind.RELEASED: Stage.RELEASED, Kind.DEFERRED: Stage.RELEASED, Kind.OVERSIZED: Stage.RELEASED,
    Kind.THROTTLED: Stage.RELEASED, Kind.WAITING: Stage.WAITING, Kind.SNOOZED: Stage.RELEASED,
}  # fmt: skip

#: A limited job starts within so long, or goes back; a rate leaves it as much, see `OneSlotPace.soon`.
_LIMITED_WITHIN_MS = 5


class Batch:
    """What one worker has in hand, mirrored on its board."""

    def __init__(self, board: WorkerBoard, busy: Alarm | None = None, *, is_for_one_slot: bool = False) -> None:
        self._board = board
        #: With one slot: when jobs came last.
        self._added_ms: float = 0 if is_for_one_slot else math.inf
        self._lock = threading.Lock()
        self._unstarted: deque[TakenJob] = deque()
        self._running: dict[int, TakenJob] = {}
        #: What has ended and is not recorded yet.
        self.reports = Reports(board)
        self._done = self.reports.done
        #: When a job was started last, boottime ms.
        self.last_start_ms = 0
        #: Set while there is something for the monitor to look at, which need not be looked at as it comes.
        self.busy: Alarm = busy or threading.Event()
        #: Whether a job takes no notice of its end, so that this worker is to be replaced and takes nothing more.
        self.has_hung = False
        #: Of a job in hand that does not start while others run.
        self.solitude: Solitude | None = None

    @property
    def free_places(self) -> int:
        """How many more jobs there are places for."""
        return self._board.free_places

    @property
    def unstarted_count(self) -> int:
        """How many jobs are in hand and not started."""
        return len(self._unstarted)

    @property
    def running_count(self) -> int:
        """How many jobs run now."""
        return len(self._running)

    @property
    def running(self) -> list[TakenJob]:
        """The jobs that run now."""
        return list(self._running.values())

    def in_hand(self) -> list[TakenJob]:
        """Return what Redis should count as ours, apart from what is being reported."""
        with self._lock:
            return [*self._running.values(), *self._unstarted]

    def add(self, jobs: Sequence[TakenJob]) -> None:
        """Have jobs in hand that were taken."""
        if jobs:
            with self._lock:
                self._board.add(jobs)
                self._unstarted.extend(jobs)
                if self._added_ms != math.inf:
                    self._added_ms = monotonic_ms()
            self.busy.set()  # `rest` clears it only when nothing is in hand

    def start_next(self) -> TakenJob | None:
        """Mark the next job as running and return it; None when there is none, or none may be started.

        A process that slept through its lease (SIGSTOP, suspend) must not begin what others may have begun.
        """
        with self._lock:
            while self._unstarted:
                if self.solitude is not None:
                    if self._running and not (self.solitude.is_over or self._board.is_recalled):
                        return None
                    self.solitude = None
                job = self._unstarted.popleft()
                if job.limits and _comes_too_late(self.last_start_ms, self._added_ms):
                    self.reports.release(job)
                    continue
                if not self._board.start(job):
                    if self._leave(job):
                        continue
                    return None
                self.last_start_ms = job.started_ms
                self._running[job.place] = job
                return job
        return None

    def _leave(self, job: TakenJob) -> bool:
        """Do not start a job after all; whether the next one may be tried."""
        if self._board.is_cancelled(job):
            self.reports.release(job)  # unstarted; Redis makes it dead
            return True
        self._board.mark(job.place, Stage.IN_HAND, job.serial)
        self._unstarted.appendleft(job)
        if self._board.is_recalled:
            self._release_all()
        return False

    def may_clean_up(self, outcome: Outcome) -> bool:
        """Say on the board how a running job ended, so that a crash in its cleanup undoes nothing.

        False: the lease may be gone, and others may have the job.
        """
        _mark(self._board, outcome)
        return self._board.lease_holds()

    def finish(self, job: TakenJob, outcome: Outcome | None = None) -> None:
        """Note how a running job ended; without an outcome it succeeded, and there is nothing more to say."""
        if outcome is None:
            self._board.mark(job.place, Stage.SUCCEEDED, job.started_ms)
            self._done.append(job)
        else:
            _mark(self._board, outcome)
            self.reports.add(outcome)
        del self._running[job.place]  # last: at no moment do `in_hand` and `reports` both miss it

    def is_cancelled(self, job: TakenJob) -> bool:
        """Return whether ``job`` runs and somebody has cancelled it; called from another thread."""
        return self._board.is_cancelled(job) and self._running.get(job.place) is job

    def give_back(self, way_for: Solitude | None = None) -> int:
        """Turn all unstarted jobs into releases, last one first; return how many.

        ``way_for``: of the job that is added next. It starts when what runs has ended.
        """
        with self._lock:
            released = self._release_all()
            self.solitude = way_for
            return released

    def _release_all(self) -> int:
        released = len(self._unstarted)
        self.solitude = None
        while self._unstarted:
            self.reports.release(self._unstarted.pop())
        if self._board.is_recalled:
            self._board.obey_recall()
        return released

    def rest(self) -> None:
        """Clear `busy` when there is nothing in hand, so that the monitor need not look; what comes sets it anew."""
        with self._lock:
            if not self._unstarted and not self._running:
                self.busy.clear()


def _comes_too_late(last_start_ms: int, added_ms: float) -> bool:
    """Return whether a limited job, which was counted when it was taken, is not to start now.

    It came to start soon, and those before it took longer than expected. What comes first always starts.
    """
    return last_start_ms >= added_ms and monotonic_ms() - added_ms > _LIMITED_WITHIN_MS


def _mark(board: WorkerBoard, outcome: Outcome) -> None:
    number = outcome.wait_ms if outcome.kind is Kind.WAITING else outcome.job.started_ms
    board.mark(outcome.job.place, _STAGES[outcome.kind], number)
