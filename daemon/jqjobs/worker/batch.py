"""The jobs in a worker's hands: what waits, what runs, what is finished and not yet reported.

The main thread runs jobs from the left; the monitor thread may give back unstarted ones from the right
and report finished ones. Every step is one atomic operation of a deque, so no lock costs time per job.
"""

from __future__ import annotations

import threading
from collections import deque

from jqjobs.board import Board, Stage
from jqjobs.clock import monotonic_ms
from jqjobs.job import Kind, Outcome, TakenJob

#: What the board says of a job that ended and is not yet reported, for the case that this process dies now.
#: An interrupted one counts as running: whoever buries a worker that was stopped charges it an interrupt.
_STAGES = {
    Kind.DONE: Stage.SUCCEEDED, Kind.KEPT: Stage.SUCCEEDED,
    Kind.FAILED: Stage.FAILED, Kind.HUNG: Stage.FAILED, Kind.DISCARDED: Stage.FAILED, Kind.CANCELLED: Stage.FAILED,
    Kind.INTERRUPTED: Stage.RUNNING,
    Kind.UNKNOWN: Stage.RELEASED, Kind.MALFORMED: Stage.RELEASED, Kind.RELEASED: Stage.RELEASED,
    Kind.DEFERRED: Stage.RELEASED, Kind.OVERSIZED: Stage.RELEASED,
    Kind.THROTTLED: Stage.RELEASED, Kind.WAITING: Stage.WAITING,
}  # fmt: skip


class Batch:
    """One batch at a time, mirrored on the board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._held: deque[tuple[int, TakenJob]] = deque()
        self._outcomes: deque[Outcome] = deque()
        self.current: TakenJob | None = None
        self.started_ms = 0
        self._index = 0
        self.busy = threading.Event()
        #: Whether an outcome is to be reported that hooks wait for.
        self.has_hooked = False
        self._between_batches = threading.Lock()

    def begin(self, jobs: list[TakenJob]) -> None:
        """Announce a new batch; the last one must be over."""
        with self._between_batches:
            self._board.begin_batch(jobs)
            self._held.extend(enumerate(jobs))
        self.busy.set()

    def start_next(self) -> TakenJob | None:
        """Mark the next job as running and return it; None when there is none."""
        self.started_ms = monotonic_ms()  # before `current`: the other thread reads them the other way round
        while True:
            try:
                # Current first, then gone from the left: at no moment does `held` of the other thread miss it.
                self._index, self.current = self._held[0]
                self._held.popleft()
            except IndexError:
                self.current = None
                return None
            if not self._board.is_cancelled(self._index):
                break
            self._drop()
        job = self.current
        self._board.mark(self._index, Stage.RUNNING, self.started_ms)
        return job

    def _drop(self) -> None:
        """Give a cancelled job back unstarted; Redis makes it dead."""
        job = self.current
        assert job is not None
        self._board.mark(self._index, Stage.RELEASED, 0)
        self._outcomes.append(Outcome(job.queue, job.id, job.attempt, Kind.RELEASED))
        self.current = None

    def is_cancelled(self, job: TakenJob) -> bool:
        """Return whether ``job`` runs and somebody has cancelled it; called from another thread."""
        cancelled = self._board.is_cancelled(self._index)
        return cancelled and self.current is job

    def finish(self, outcome: Outcome) -> None:
        """Note how the running job ended."""
        number = outcome.number if outcome.kind is Kind.WAITING else self.started_ms
        self._board.mark(self._index, _STAGES[outcome.kind], number)
        self._outcomes.append(outcome)
        if outcome.after is not None:
            self.has_hooked = True
        self.current = None

    def give_back(self) -> int:
        """Turn all unstarted jobs into releases, last one first; return how many."""
        released = 0
        with self._between_batches:  # else the other thread might mark an index of the batch that follows
            while self._held:
                try:
                    index, job = self._held.pop()
                except IndexError:
                    break
                self._board.mark(index, Stage.RELEASED, 0)
                self._outcomes.append(Outcome(job.queue, job.id, job.attempt, Kind.RELEASED))
                released += 1
        return released

    def take_outcomes(self) -> list[Outcome]:
        """Return what is to be reported, and forget it."""
        taken = []
        self.has_hooked = False
        while True:
            try:
                taken.append(self._outcomes.popleft())
            except IndexError:
                return taken

    def put_back_outcomes(self, outcomes: list[Outcome]) -> None:
        """Remember outcomes again whose report did not get through."""
        self._outcomes.extendleft(reversed(outcomes))
        self.has_hooked = self.has_hooked or any(outcome.after is not None for outcome in outcomes)

    def held(self) -> list[TakenJob]:
        """Return what Redis should count as ours, apart from what is being reported."""
        held = [job for _, job in list(self._held)]  # first: a job moves from there to `current`
        running = self.current
        return held if running is None or running in held else [running, *held]

    @property
    def has_held(self) -> bool:
        """Whether unstarted jobs are left."""
        return bool(self._held)

    @property
    def has_outcomes(self) -> bool:
        """Whether something is to be reported."""
        return bool(self._outcomes)


def next_want(average_ms: float, prefetch_ms: int, most: int, last: int) -> int:
    """Return how many jobs to take: about ``prefetch_ms`` of work, at most twice the last batch, 1 to ``most``.

    Growing slowly keeps a worker that has only seen quick jobs from hoarding a pile of long ones.
    """
    fitting = int(prefetch_ms / max(average_ms, 0.001))
    return max(1, min(fitting, most, 2 * max(last, 1)))
