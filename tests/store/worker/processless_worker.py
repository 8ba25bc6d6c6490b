"""A worker without a process: its board, batch and exchanger on a real queue system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Word
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.store.store import Store
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.queue_order import queue_order
from jqjobs.worker.trips.suspects import SuspectTurn
from jqjobs.worker.trips.tail import Tail
from store.queue_system import LEASE_MS, QueueSystem


class ProcesslessWorker:
    """Joined, and under a lease that holds."""

    def __init__(
        self, system: QueueSystem, store: Store, directory: Path, queues: Sequence[str] = ("q",),
        weights: Sequence[int] = (), patterns: Sequence[str] = (), name: str = "w",
    ) -> None:  # fmt: skip
        self.system = system
        self.store = store
        self.board = Board.create(directory / f"{name}.board")
        self.board.set_word(Word.LEASE_UNTIL, 2**60)
        self.worker_board = WorkerBoard(self.board.path)
        self.batch = Batch(self.worker_board)
        self.tail = Tail(name)
        #: The queues whose wake tokens it has had.
        self.woken: set[str] = set()
        suspects = SuspectTurn(self.worker_board, self.batch)
        self.exchanger = Exchanger(
            store,
            queue_order(queues, weights, patterns),
            name,
            LEASE_MS,
            self.batch,
            suspects,
            lambda jobs: None,
            self.tail,
            self.woken,
        )
        system.join(name, queues=queues)

    def start(self) -> TakenJob:
        job = self.batch.start_next()
        assert job is not None
        return job

    def finish(self, job: TakenJob, kind: Kind = Kind.DONE) -> None:
        """Let a job end; a success is one with nothing to say."""
        self.batch.finish(job, None if kind is Kind.DONE else Outcome(job, kind, line=b"{}"))

    def on_board(self) -> dict[str, str]:
        """What the board says of each job."""
        return {entry.id: entry.stage.name.lower() for entry in self.board.entries()}
