"""When a worker asks for suspects, which are taken before all else: none while it has one in hand, every other time.

So that what is suspected of killing its worker gets its turn, and holds up nobody: `jobs.blame` has the rules. One that
may be charged next time is to run alone: it waits for what runs, and nothing is started beside it, as long as it runs
where other workers go on with what is ready, else for a while.
"""

from __future__ import annotations

from jqjobs.jobs.blame import Scope
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.store.calls.trips import Trip
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.solitude import Solitude, solitude_of

#: Looking for them makes a trip dearer, so it is done so often only.
_LOOK_EVERY_MS = 50

#: By its number, since it is looked up before most trips.
_SCOPES = {scope.value: scope for scope in Scope}

#: How many suspects a trip may bring, and of which scope at most.
Allowed = tuple[int, Scope]


class SuspectTurn:
    """One per worker. The daemon says on the board whether it takes any."""

    def __init__(self, board: WorkerBoard, batch: Batch) -> None:
        self._board = board
        self._batch = batch
        self._ask_at_ms = 0.0
        self._is_after_suspects = False
        self._solitude: Solitude | None = None

    @property
    def may_come(self) -> bool:
        """Whether this worker takes suspects at all."""
        return self._board.appointment.scope != 0

    def ask(self, want: int, free: int, now_ms: int) -> Allowed | None:
        """Return how many to ask for in a trip that asks for ``want`` jobs; ``free``: so many slots have nothing."""
        if self._solitude is not None and not self._has_in_hand(self._solitude.job):
            self._solitude = None
        if want <= 0 or self._is_after_suspects or now_ms < self._ask_at_ms:
            return None
        scope = self._board.appointment.scope
        if not scope or any(job.suspicion for job in self._batch.in_hand()):
            return None
        self._ask_at_ms = now_ms + _LOOK_EVERY_MS
        return max(1, free), _SCOPES[scope]

    def hear(self, trip: Trip, *, asked: bool) -> None:
        """Note what a trip will bring: after suspects the others have their turn.

        One that is to be alone waits for what runs; what is in hand and not started goes back.
        """
        suspects = [job for job in trip.jobs if job.suspicion] if asked else []
        self._is_after_suspects = bool(suspects)
        for job in suspects:
            if solitude := solitude_of(job):
                self._solitude = solitude
                self._batch.give_back(way_for=solitude)

    @property
    def is_alone(self) -> bool:
        """Whether there is a job in hand that nothing is to be started beside."""
        solitude = self._solitude
        if solitude is None or not self._has_in_hand(solitude.job):
            return False
        return self._board.appointment.others > 0 or not solitude.is_over

    def _has_in_hand(self, job: TakenJob) -> bool:
        return any(each is job for each in self._batch.in_hand())
