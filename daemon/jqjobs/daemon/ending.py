"""How a daemon comes to its end: a drain, a stop, or to make way for a new image of itself.

running ──drain──▶ draining ──all gone──▶ exit
     │                 └──stop──┐
     ├──stop──▶ stopping ◀──────┴──all gone──▶ exit
     └──replace──▶ replacing ──all gone──▶ exec of the new daemon under the same pid
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jqjobs.base import log
from jqjobs.daemon.deploys.source_changes import SourceChanges
from jqjobs.daemon.lease_messages import Drain
from jqjobs.daemon.notify import Notifier
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.link.board_layout import Word
from jqjobs.link.exits import DaemonExit

#: So long Redis is waited for, once the last worker is gone.
REDIS_AT_END_S = 3.0


def drain_s(settings: DaemonSettings) -> float:
    """Return how long a drain may take at most, in seconds."""
    return settings.grace_s + settings.kill_after_s + REDIS_AT_END_S


@dataclass
class Ending:
    """One per daemon. ``stage``: draining, stopping, replacing; "" as long as it does not end.

    ``submit``: has the lease thread say so in Redis. It stands on the boards first: Redis may be away.
    """

    settings: DaemonSettings
    workers: WorkerProcesses
    source_changes: SourceChanges
    notifier: Notifier
    submit: Callable[[Drain], None]
    stage: str = ""
    exit: DaemonExit = DaemonExit.ORDERLY
    _started_s: float = field(default_factory=lambda: time.monotonic())

    @property
    def is_under_way(self) -> bool:
        """Whether the daemon is about to end."""
        return self.stage != ""

    @property
    def wants_exec(self) -> bool:
        """Whether it ends only to be replaced by a new image of itself."""
        return self.stage == "replacing"

    def drain(self) -> None:
        """Take no new jobs, let the running ones finish within the grace period, end."""
        if self.stage not in ("draining", "stopping"):
            self._begin("draining", self.settings.grace_s)

    def stop_now(self) -> None:
        """Interrupt the running jobs, give them back, end."""
        self._begin("stopping", 0.0)

    def replace(self) -> None:
        """Drain, for a new image of this daemon."""
        log.event("daemon.replacing")
        self._begin("replacing", self.settings.grace_s)

    def give_up(self) -> None:
        """Drain, with an exit code that says: a person must mend something first."""
        self.exit = DaemonExit.CONFIGURATION
        self.drain()

    def drain_after_cooldown(self) -> None:
        """Drain if --cooldown is over."""
        if 0 < self.settings.cooldown_s <= time.monotonic() - self._started_s and not self.is_under_way:
            log.event("daemon.cooldown", after_s=self.settings.cooldown_s)
            self.drain()

    def _begin(self, stage: str, grace_s: float) -> None:
        self.stage = stage
        for worker in self.workers:
            worker.board.set_word(Word.DRAINING, 1)
        self.submit(Drain({worker.id: (*worker.queues, *worker.board.turns.read()) for worker in self.workers}))
        if not self.wants_exec:
            self.source_changes.abandon()
        # Patience is for who has said that it is stopping, or reloading.
        self.notifier.tell("reloading" if self.wants_exec else stage, "finishing running jobs")
        self.notifier.extend(grace_s + self.settings.kill_after_s + REDIS_AT_END_S)
        plan = stop_plans.drain_plan(time.monotonic(), grace_s, self.settings.kill_after_s)
        for worker in self.workers:
            if worker.plan is None or worker.plan.is_patient or stage == "stopping":
                self.workers.stop(worker, plan)
