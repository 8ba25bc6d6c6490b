"""Says on the boards which workers take suspects, and of which scope; how many do is in `jobs.blame`.

Those that are counted for the whole daemon go to one worker, which keeps that as long as it takes jobs; until it has
ended what it runs then, nobody else takes any. Those of the whole host go to one daemon, which keeps that by a lock.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from jqjobs.base.file_lock import lock_file
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.jobs.blame import Scope, levels
from jqjobs.link.board_layout import Word

_FILE = "suspects.turn"
#: So often a daemon looks whether the one that takes the suspects of the host is gone.
_LOOK_EVERY_S = 2.0


class SuspectTakers:
    """One per daemon; called at each turn of its main loop."""

    def __init__(self, workers: WorkerProcesses, directory: Path) -> None:
        self._workers = workers
        self._path = directory / _FILE
        self._descriptor: int | None = None
        self._look_at_s = 0.0

    def close(self) -> None:
        """Leave the suspects of the host to another daemon; the end of this process does so too."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def appoint(self) -> None:
        """Say on each board what its worker takes now."""
        able = [worker for worker in self._workers if worker.state == "ready" and worker.plan is None]
        able.sort(key=lambda worker: (not _has_daemon_scope(worker), worker.seat))
        ids = [worker.id for worker in able]
        is_held = any(_has_daemon_scope(worker) for worker in self._workers if worker.id not in ids)
        found = levels(ids, has_daemon=not is_held, has_host=self._has_host())
        for worker in able:
            worker.board.set_word(Word.SUSPECTS, found[worker.id])
            worker.board.set_word(Word.OTHERS, len(able) - 1)

    def _has_host(self) -> bool:
        """Whether no other daemon of this host takes the host's suspects; where locks are impossible, none does."""
        if self._descriptor is None and time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + _LOOK_EVERY_S
            with suppress(OSError):
                self._descriptor = lock_file(self._path)
        return self._descriptor is not None


def _has_daemon_scope(worker: WorkerProcess) -> bool:
    return worker.board.word(Word.SUSPECTS) >= Scope.DAEMON
