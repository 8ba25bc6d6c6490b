"""The jobs in a worker's hands: what waits, what runs, what is finished and not yet reported.

Slots start jobs from the left; the monitor thread may give back unstarted ones from the right. A lock costs less
than a tenth of a microsecond a job; reports and what they are made of need none.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from jqjobs.jobs.records import Kind, Outcome, TakenJob
from jqjobs.link.board import Board, Stage, Word

T = TypeVar("T")

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
    """What one worker holds, mirrored on its board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._lock = threading.Lock()
        self._held: deque[TakenJob] = deque()
        self._running: dict[int, TakenJob] = {}
        self._done: list[TakenJob] = []
        self._outcomes: list[Outcome] = []
        #: When a job was started last, boottime ms.
        self.last_start_ms = 0
        #: Set while there is something for the monitor to look at.
        self.busy = threading.Event()
        #: Whether a job takes no notice of its end, so that this worker is to be replaced and takes nothing more.
        self.has_hung = False
        #: Whether an outcome is to be reported that hooks wait for.
        self.has_hooked = False

    @property
    def room(self) -> int:
        """How many more jobs there are places for."""
        return self._board.room

    @property
    def waiting(self) -> int:
        """How many jobs are held and not started."""
        return len(self._held)

    @property
    def running(self) -> list[TakenJob]:
        """The jobs that run now."""
        return list(self._running.values())

    @property
    def running_count(self) -> int:
        """How many jobs run now."""
        return len(self._running)

    def hold(self, jobs: Sequence[TakenJob]) -> None:
        """Add jobs that were taken."""
        if jobs:
            with self._lock:
                self._board.hold(jobs)
                self._held.extend(jobs)
            if not self.busy.is_set():  # `rest` clears it only when nothing is held
                self.busy.set()

    def start_next(self) -> TakenJob | None:
        """Mark the next job as running and return it; None when there is none, or none may be started.

        A process that slept through its lease (SIGSTOP, suspend) must not begin what others may have begun.
        """
        with self._lock:
            while self._held:
                job = self._held.popleft()
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
            self._release(job)  # unstarted; Redis makes it dead
            return True
        self._board.mark(job.place, Stage.HELD, job.serial)
        self._held.appendleft(job)
        if self._board.word(Word.RECALL):
            self._release_all()
        return False

    def finish(self, job: TakenJob, outcome: Outcome | None = None) -> None:
        """Note how a running job ended; without an outcome it succeeded, and there is nothing more to say."""
        if outcome is None:
            self._board.mark(job.place, Stage.SUCCEEDED, job.started_ms)
            self._done.append(job)
        else:
            number = outcome.number if outcome.kind is Kind.WAITING else job.started_ms
            self._board.mark(job.place, _STAGES[outcome.kind], number)
            outcome.place, outcome.taken_ms = job.place, job.taken_ms
            self._outcomes.append(outcome)
            self.has_hooked = self.has_hooked or outcome.after is not None  # after it is there: `take_outcomes` clears
        del self._running[job.place]  # last: at no moment does `held` miss it

    def is_cancelled(self, job: TakenJob) -> bool:
        """Return whether ``job`` runs and somebody has cancelled it; called from another thread."""
        return self._board.is_cancelled(job) and self._running.get(job.place) is job

    def give_back(self) -> int:
        """Turn all unstarted jobs into releases, last one first; return how many."""
        with self._lock:
            return self._release_all()

    def _release_all(self) -> int:
        released = len(self._held)
        while self._held:
            self._release(self._held.pop())
        if self._board.word(Word.RECALL):
            self._board.set_word(Word.RECALL, 0)
        return released

    def _release(self, job: TakenJob) -> None:
        self._board.mark(job.place, Stage.RELEASED, 0)
        self._outcomes.append(Outcome(job.queue, job.id, job.attempt, Kind.RELEASED, place=job.place))

    def take_outcomes(self) -> tuple[list[TakenJob], list[Outcome]]:
        """Return what is to be reported, and forget it: plain successes, and the rest. One taker at a time."""
        self.has_hooked = False
        return _drain(self._done), _drain(self._outcomes)

    def put_back_outcomes(self, done: list[TakenJob], outcomes: list[Outcome]) -> None:
        """Remember again what did not get through."""
        self._done[:0] = done
        self._outcomes[:0] = outcomes
        self.has_hooked = self.has_hooked or any(outcome.after is not None for outcome in outcomes)

    def forget(self, done: list[TakenJob], outcomes: list[Outcome]) -> None:
        """Free the places of what is recorded."""
        for job in done:
            self._board.free(job.place)
        for outcome in outcomes:
            self._board.free(outcome.place)

    def held(self) -> list[TakenJob]:
        """Return what Redis should count as ours, apart from what is being reported."""
        with self._lock:
            return [*self._running.values(), *self._held]

    @property
    def has_outcomes(self) -> bool:
        """Whether something is to be reported."""
        return bool(self._done or self._outcomes)

    def rest(self) -> None:
        """Clear `busy` when there is nothing in hand."""
        with self._lock:
            if not self._held and not self._running:
                self.busy.clear()


def _drain(items: list[T]) -> list[T]:
    """Empty a list to which other threads append, and return what was in it."""
    taken = items[:]
    del items[: len(taken)]
    return taken
