"""Has as many workers as the jobs call for, with ``--processes MIN..MAX``. How many that is, `jobs.scaling` decides.

up     at once: twice as many at a time, while there is memory for them
down   one at a time that has no job, once fewer have sufficed all through --hold
not    while Redis is away, or the daemon is quiet; down not during a deploy
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from jqjobs.base import log
from jqjobs.daemon.deploys.source_changes import SourceChanges
from jqjobs.daemon.leases.thread import LeaseThread
from jqjobs.daemon.memory.guard import MemoryGuard
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.worker_lifecycle import WorkerLifecycle
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.jobs.scaling import DAEMON_TARGET_S, Decision, Hold, Load, Own, Rules, decide_for, next_size
from jqjobs.link.bounds import MAX_PROCESSES


@dataclass
class Scaler:
    """One per daemon, called by its main loop."""

    settings: DaemonSettings
    lifecycle: WorkerLifecycle
    workers: WorkerProcesses
    leases: LeaseThread
    memory: MemoryGuard
    source_changes: SourceChanges
    _hold: Hold = field(init=False)
    _seen: Load | None = None

    def __post_init__(self) -> None:
        self._hold = Hold(self.settings.hold_s)

    def look(self) -> None:
        """Have more workers or fewer, if there is news of what there is to do. To be called at each turn."""
        self.leases.reads_load = self.lifecycle.size.bounds.is_range
        load = self.leases.load
        if load is None or not self.leases.reads_load or self.lifecycle.is_quiet:
            self._hold.keep(time.monotonic())
        elif load is not self._seen:
            self._follow(load)
        self._seen = load

    def _follow(self, load: Load) -> None:
        present, idle = self.lifecycle.wanted, self._idle_seats()
        now_s, bounds = time.monotonic(), self.lifecycle.size.bounds
        rules = Rules(
            target_s=DAEMON_TARGET_S, least=bounds.least, most=bounds.most, at_once=self.settings.concurrency
        )  # fmt: skip
        found = decide_for(Own(present, self.workers.ready(), present - len(idle)), load, rules)
        if self._hold.last is None:
            self._hold.settle(Decision(present, ""), now_s)
        suffice = self._hold.settle(found, now_s).wanted
        if found.wanted > present:
            self._grow(present, found)
        elif suffice < present and idle and not self.source_changes.is_under_way:
            self.lifecycle.size.give_up(max(idle))
            self._say(present, found.why)

    def _grow(self, present: int, found: Decision) -> None:
        room = self.memory.room_for_more()
        self.lifecycle.size.resize(next_size(present, found.wanted, MAX_PROCESSES if room is None else room))
        self._say(present, found.why)

    def _idle_seats(self) -> list[int]:
        """Return the seats without a worker that has a job in hand."""
        busy = {worker.seat for worker in self.workers if worker.plan is None and worker.board.entries()}
        return [seat for seat in self.lifecycle.seats if seat not in busy]

    def _say(self, before: int, why: str) -> None:
        if self.lifecycle.wanted != before:
            log.event("daemon.scaled", before=before, now=self.lifecycle.wanted, why=why)
