"""The board as its worker writes it: which jobs are in hand, and how far each has come. See `board_layout`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board_layout import (
    FIRST_CANCEL,
    FIRST_ENTRY,
    LINE,
    PLACES,
    TEXT_AT,
    BoardFile,
    Stage,
    Word,
    cancelled_ms,
)
from jqjobs.link.turn_places import TurnPlaces

#: As plain integers: they are looked up for each job.
_IN_HAND, _RUNNING = int(Stage.IN_HAND), int(Stage.RUNNING)
_TICK, _LEASE_UNTIL, _RECALL = int(Word.TICK), int(Word.LEASE_UNTIL), int(Word.RECALL)


class Appointment(NamedTuple):
    """What the daemon lets a worker take of the suspects, and who is there for the other jobs meanwhile."""

    scope: int  #: up to which `jobs.blame.Scope`; 0: none
    others: int  #: how many other workers of the daemon take jobs


class WorkerBoard:
    """The worker's side of its board; there is one for a board. What is asked for each job takes no lock."""

    def __init__(self, path: Path) -> None:
        """Map the board that the daemon has made. Raises: OSError, ValueError when it is not one."""
        self._file = BoardFile(path)
        self._words, self._text = self._file.words, self._file.content
        #: The queues that this worker is in by their turn.
        self.turns = TurnPlaces(self._file)
        self._free = deque(range(PLACES))  # the longest unused one first: no reader takes one job for the other
        self._serial = 0

    def close(self) -> None:
        """Unmap it; the file stays."""
        self.turns.close()
        self._file.close()

    @property
    def free_places(self) -> int:
        """How many more jobs there are places for."""
        return len(self._free)

    def add(self, jobs: Sequence[TakenJob]) -> None:
        """Give each job that was taken a place, and say that it is in hand. There must be places for all."""
        words, text, free, serial = self._words, self._text, self._free, self._serial
        for job in jobs:
            serial += 1
            place = free.popleft()
            line = f"{serial} {job.queue} {job.id} {job.attempt} {job.timeout_ms or 0} {job.name}\n".encode()
            at = TEXT_AT + place * LINE
            text[at : at + len(line)] = line
            words[FIRST_CANCEL + place] = 0
            words[FIRST_ENTRY + place] = serial << 3 | _IN_HAND
            job.place, job.serial = place, serial
        self._serial = serial

    def start(self, job: TakenJob) -> bool:
        """Mark a job as running; False when something speaks against it: no lease, a cancel, a recall.

        Marked first, then looked: who recalls looks at the marks after it has called.
        """
        words, place = self._words, job.place
        job.started_ms = now_ms = monotonic_ms()
        words[FIRST_ENTRY + place] = now_ms << 3 | _RUNNING
        is_cancelled = words[FIRST_CANCEL + place] and self.is_cancelled(job)
        return words[_LEASE_UNTIL] > now_ms and not is_cancelled and not words[_RECALL]

    def mark(self, place: int, stage: Stage, number: int) -> None:
        """Say how far the job at ``place`` has come; ``number``: boottime ms, or what `Stage` says instead."""
        self._words[FIRST_ENTRY + place] = number << 3 | stage

    def free(self, places: Iterable[int]) -> None:
        """The outcomes of the jobs there are recorded."""
        words, free = self._words, self._free
        for place in places:
            words[FIRST_ENTRY + place] = 0
            free.append(place)

    def is_cancelled(self, job: TakenJob) -> bool:
        """Return whether the daemon says that this job is cancelled."""
        return cancelled_ms(self._words, job.place, job.serial) != 0

    @property
    def is_recalled(self) -> bool:
        """Whether the daemon wants back what is in hand and not started."""
        return self._words[_RECALL] != 0

    def obey_recall(self) -> None:
        """Say that it goes back, after the last of it was marked so."""
        self._words[_RECALL] = 0

    @property
    def allowance_bytes(self) -> int:
        """How large this process may be and still take jobs; 0: nobody has measured."""
        return self._words[Word.ALLOWANCE]

    def tick(self) -> int:
        """Say that the worker's loop turns; return when, boottime ms."""
        self._words[_TICK] = now_ms = monotonic_ms()
        return now_ms

    def count_executed(self, executed: int) -> None:
        """Say how many jobs were run: a worker that has run some may die without being suspected itself."""
        self._words[Word.EXECUTED] = executed

    @property
    def appointment(self) -> Appointment:
        """What the daemon says of suspects now."""
        return Appointment(self._words[Word.SUSPECTS], self._words[Word.OTHERS])

    def lease_holds(self, now_ms: int | None = None) -> bool:
        """Return whether the daemon has renewed the lease in time, as far as this host can know.

        ``now_ms``: for who has just looked at the clock.
        """
        return self._words[_LEASE_UNTIL] > (monotonic_ms() if now_ms is None else now_ms)
