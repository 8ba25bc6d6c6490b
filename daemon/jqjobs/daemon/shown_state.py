"""What a daemon shows of itself: one state and a note, to `jqctl status`, to systemd and to health probes.

draining, stopping                  it ends
waiting_redis                       Redis is away
reloading                           workers, or the daemon itself, are being replaced
starting                            no worker has been ready yet
waiting_memory                      workers take nothing, or memory would run out
quiet, running
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from jqjobs.daemon.deploys.source_changes import SourceChanges
from jqjobs.daemon.ending import Ending
from jqjobs.daemon.health.probes import HealthFacts
from jqjobs.daemon.host_facts import HostFacts
from jqjobs.daemon.leases.thread import LeaseThread
from jqjobs.daemon.memory.guard import MemoryGuard
from jqjobs.daemon.notify import Notifier
from jqjobs.daemon.report import make_report
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.worker_lifecycle import WorkerLifecycle
from jqjobs.daemon.workers.outbox_relay import OutboxRelay
from jqjobs.daemon.workers.worker_processes import WorkerProcesses


@dataclass
class ShownState:
    """One per daemon, published by its main loop at each turn."""

    settings: DaemonSettings
    workers: WorkerProcesses
    lifecycle: WorkerLifecycle
    leases: LeaseThread
    memory: MemoryGuard
    source_changes: SourceChanges
    ending: Ending
    notifier: Notifier
    host_facts: HostFacts
    outbox_relay: OutboxRelay
    _was_ready: bool = False
    _published: tuple[str, str] = ("starting", "")
    _published_s: float = field(default_factory=lambda: time.monotonic())

    def look(self) -> tuple[str, str]:
        """Return the state and a note for people: of all that is true, what matters most."""
        if self.ending.stage in ("draining", "stopping"):
            return self.ending.stage, ""
        if self.leases.waiting_for_redis:
            return "waiting_redis", self.leases.waiting_for_redis
        if self.ending.wants_exec or self.source_changes.is_under_way:
            return "reloading", self.lifecycle.note
        refusal = self.source_changes.refusal
        note = f"reload refused: {refusal}" if refusal else self.leases.missing_part or self.lifecycle.note
        if not self._was_ready:
            return "starting", note
        if self.memory.note:
            return "waiting_memory", self.memory.note
        return ("quiet" if self.lifecycle.is_quiet else "running"), note

    def publish(self) -> None:
        """Tell everybody; to be called at each turn of the main loop, which is shown to turn by that."""
        ready, wanted = self.workers.ready(), self.lifecycle.wanted
        self._was_ready = self._was_ready or ready > 0
        state, note = self._published = self.look()
        counted = f"{ready} of {wanted} workers ready"
        self.notifier.tell(state, note or (counted if state == "running" else f"{state}, {counted}"))
        self.leases.report = make_report(self.settings, self.workers, {
            "state": state, "note": note, "slots": wanted, "reload": self.source_changes.progress,
            "processes": str(self.lifecycle.size.bounds),
            "deaths": self.lifecycle.seats.deaths_in_last_hour(), "unwatched": self.source_changes.files.unwatched,
            "host_facts": self.host_facts.as_json(), "outbox": self.outbox_relay.as_json(),
        })  # fmt: skip
        self._published_s = time.monotonic()

    def health(self) -> HealthFacts:
        """Return what the health endpoint judges; called by its thread."""
        now_s, (state, note) = time.monotonic(), self._published
        return HealthFacts(
            main_loop_age_s=now_s - self._published_s, lease_loop_age_s=now_s - self.leases.turned_s,
            redis_error=self.leases.waiting_for_redis, ready=self.workers.ready(), wanted=self.lifecycle.wanted,
            state=state, note=note, lease_s=self.settings.lease_s,
        )  # fmt: skip
