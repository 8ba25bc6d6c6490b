"""Replaces all workers by new ones, one after another, each new one ready before its old one retires.

The first new worker is the canary: if it dies before it is ready (the new code does not import, say),
the reload is refused and the old workers go on. Retiring workers finish their job, however long. An outage
of Redis is waited out: a worker that has loaded the app and cannot join is no fault of the new code.
"""

from __future__ import annotations

import time

from jqjobs.base import log
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.worker_processes import WorkerProcesses

_BOOT_S = 300.0


class Reload:
    """The reload that is under way, if any. Further requests while it runs start it over once.

    So does a request while a single worker is replaced (`add`): whoever was started before it is old.
    """

    def __init__(self, workers: WorkerProcesses, boot_s: float = _BOOT_S) -> None:
        """``boot_s``: a canary that is neither ready nor dead after this long is refused too."""
        self.workers = workers
        self._boot_s = boot_s
        self._old: list[str] = []
        self._successor: WorkerProcess | None = None
        self.refused_because = ""

    @property
    def is_under_way(self) -> bool:
        """Whether old workers are still to be replaced."""
        return bool(self._old)

    def begin(self) -> None:
        """Mark all present workers as old, one that is about to succeed too: it may have loaded the code before."""
        self._old = [worker.id for worker in self.workers if worker.plan is None]
        self.refused_because = ""

    def add(self, worker: WorkerProcess) -> bool:
        """Replace one worker more, after those that are due before it; whether that is news."""
        is_news = worker.plan is None and worker.id not in self._old
        if is_news:
            self._old.append(worker.id)
        return is_news

    def abandon(self) -> None:
        """Forget the reload; what was replaced stays so."""
        self._old, self._successor = [], None

    def advance(self) -> None:
        """Do the next step, if it is time for it."""
        self._old = [worker_id for worker_id in self._old if self._stays(worker_id)]
        if not self._old:
            self._successor = None
        elif self._successor is None:
            self._start_successor()
        elif self._successor.plan is not None:
            self._successor = None  # given up together with its seat, or fenced: no fault of the new code
        elif self._successor.id not in self.workers.by_id:
            self._refuse(self._successor.error or "the new worker died before it was ready")
        elif self._successor.state == "starting" and time.monotonic() - self._successor.started_s > self._boot_s:
            self.workers.stop(self._successor, stop_plans.boot_plan(time.monotonic()))
            self._refuse(f"the new worker had not loaded the app after {self._boot_s:g} s")
        elif self._successor.state == "ready":
            self._retire_predecessor(self._successor)
            self._successor = None
            self.refused_because = ""

    def _start_successor(self) -> None:
        self._successor = self.workers.start(self.workers.by_id[self._old[0]].seat)
        if self._successor is None:  # trying again with every turn of the main loop would fill the log
            self._refuse("a new worker cannot be started, see worker.not_started in the log")

    def _retire_predecessor(self, successor: WorkerProcess) -> None:
        """Let the old worker of that seat go; if it is gone already, nobody else has to."""
        for old in [self.workers.by_id[worker_id] for worker_id in self._old if worker_id != successor.id]:
            if old.seat == successor.seat:
                log.event("worker.replaced", old=old.id, new=successor.id)
                self._old.remove(old.id)
                return self.workers.stop(old, stop_plans.retire_plan())
        return None

    def _stays(self, worker_id: str) -> bool:
        worker = self.workers.by_id.get(worker_id)
        return worker is not None and worker.plan is None

    def _refuse(self, reason: str) -> None:
        log.event("reload.refused", level=log.ERROR, error=reason)
        self.abandon()
        self.refused_because = reason
