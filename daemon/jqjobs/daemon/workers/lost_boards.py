"""Has workers replaced whose board was deleted under them (`rm -r`, RemoveIPC=yes of logind), and makes its place anew.

Daemon and worker still have the board mapped, so what they tell each other goes on. But nobody would find it after the
daemon's death: so the worker works on until its successor, which has a board again, is ready.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from jqjobs.base import log
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.errors import ConfigError

_LOOK_EVERY_S = 1.0


class LostBoards:
    """One per daemon; called at each turn of its main loop."""

    def __init__(
        self, workers: WorkerProcesses, make_directory: Callable[[], Path], replace: Callable[[WorkerProcess], object]
    ) -> None:  # fmt: skip
        """``make_directory``: makes the place of the boards, and checks that it is ours, as at boot.

        ``replace``: has one worker replaced, once for all calls.
        """
        self._workers = workers
        self._make = make_directory
        self._replace = replace
        self._look_at_s = 0.0
        self._said: set[str] = set()
        self._refusal = ""

    def look(self) -> None:
        """Look once a second."""
        now_s = time.monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + _LOOK_EVERY_S
        self._make_directory()
        lost = [worker for worker in self._workers if worker.plan is None and not worker.board.path.exists()]
        for worker in lost:
            if worker.id not in self._said:
                log.event("worker.board_lost", level=log.WARNING, worker=worker.id, pid=worker.pid)
            self._replace(worker)
        self._said = {worker.id for worker in lost}

    def _make_directory(self) -> None:
        refusal = ""
        try:
            self._make()
        except ConfigError as error:  # the start of a worker will say it again
            refusal = error.in_one_line()
            if refusal != self._refusal:
                log.event("worker.not_started", level=log.ERROR, error=refusal)
        self._refusal = refusal
