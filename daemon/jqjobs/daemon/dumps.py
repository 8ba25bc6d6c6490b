"""USR1: the stacks of all workers, into the log: what is everybody doing right now?"""

from __future__ import annotations

import time

from jqjobs import log
from jqjobs.daemon.crew import Crew
from jqjobs.stacks import read_stacks

_WRITTEN_AFTER_S = 0.3


class Dumps:
    """Asked for in one turn of the main loop, shown in a later one."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._show_at_s: float | None = None

    def ask(self) -> None:
        """Ask all workers that are up for their stacks."""
        for worker in self._crew:
            if worker.state != "starting":  # before its handler is there, the signal would kill it
                worker.ask_for_stacks()
        self._show_at_s = time.monotonic() + _WRITTEN_AFTER_S

    def show(self) -> None:
        """Log the stacks once they are written."""
        if self._show_at_s is None or time.monotonic() < self._show_at_s:
            return
        self._show_at_s = None
        for worker in self._crew:
            jobs = ",".join(f"{entry.queue}/{entry.id}" for entry in worker.board.running())
            for line in filter(None, read_stacks(worker.board.path).splitlines()):
                log.event("worker.stack", worker=worker.id, pid=worker.pid, jobs=jobs or None, at=line)
