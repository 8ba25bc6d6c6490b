"""The stacks of all workers, into the log (USR1) or to whoever asked over Redis: what is everybody doing right now?"""

from __future__ import annotations

import time
from collections.abc import Callable

from jqjobs.base import log
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.link.stacks import read_stacks

_WRITTEN_AFTER_S = 0.3

#: Gets one dict a worker: worker, pid, jobs, text.
Reader = Callable[[list[dict[str, object]]], None]


class Dumps:
    """Asked for in one turn of the main loop, shown in a later one."""

    def __init__(self, workers: WorkerProcesses) -> None:
        self._workers = workers
        self._show_at_s: float | None = None
        self._readers: list[Reader] = []

    def ask(self, reader: Reader | None = None) -> None:
        """Ask all workers that are up for their stacks; without a reader they go to the log.

        Who asks while they are being written gets the same: asking again would empty what is half written.
        """
        self._readers.append(reader or _log)
        if self._show_at_s is not None:
            return
        self._show_at_s = time.monotonic() + _WRITTEN_AFTER_S
        for worker in self._workers:
            if worker.state != "starting":  # before its handler is there, the signal would kill it
                worker.ask_for_stacks()

    def show(self) -> None:
        """Give the stacks to those who asked, once they are written."""
        if self._show_at_s is None or time.monotonic() < self._show_at_s:
            return
        readers, self._readers, self._show_at_s = self._readers, [], None
        stacks = [
            {
                "worker": worker.id, "pid": worker.pid, "text": read_stacks(worker.board.path),
                "jobs": [f"{entry.queue}/{entry.id}" for entry in worker.board.running()],
            }
            for worker in self._workers
        ]  # fmt: skip
        for reader in readers:
            reader(stacks)


def _log(stacks: list[dict[str, object]]) -> None:
    for found in stacks:
        jobs = ",".join(map(str, found["jobs"])) if isinstance(found["jobs"], list) else ""
        for line in filter(None, str(found["text"]).splitlines()):
            log.event("worker.stack", worker=found["worker"], pid=found["pid"], jobs=jobs or None, at=line)
