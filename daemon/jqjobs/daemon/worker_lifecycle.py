"""How workers come into service and leave it: started, ready, given a lease, told to go; dead, ended, succeeded.

One step of each for every turn of the main loop. When a worker is to be stopped is decided elsewhere.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from jqjobs.base import log
from jqjobs.base.process import how_it_ended
from jqjobs.daemon.deploys.source_changes import SourceChanges
from jqjobs.daemon.lease_messages import Charge, EndWorker, Join, LeaseEvent
from jqjobs.daemon.leases.thread import LeaseThread
from jqjobs.daemon.memory.guard import MemoryGuard
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.size import Size
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.stop_plans import Life
from jqjobs.daemon.workers.worker_processes import WorkerProcesses, charge
from jqjobs.link.board_layout import Word
from jqjobs.link.bounds import Bounds
from jqjobs.link.exits import WorkerExit
from jqjobs.store.calls.leases import roster


@dataclass(frozen=True, slots=True)
class Handover:
    """What people told a daemon while it ran, and how many workers it had, ``seats``.

    ``scaled_to``: "" when they left the number of workers alone. ``processes``: what the settings said of it.
    """

    is_quiet: bool = False
    scaled_to: str = ""
    processes: str = ""
    seats: int = 0

    def to_json(self) -> str:
        """Return it as text, for the new image."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Handover:
        """Read it; what another version wrote and this one does not understand is forgotten."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls()


class WorkerLifecycle:
    """One per daemon. ``unusable``: why no worker can ever start, "" while there is hope."""

    def __init__(
        self,
        settings: DaemonSettings,
        workers: WorkerProcesses,
        leases: LeaseThread,
        memory: MemoryGuard,
        source_changes: SourceChanges,
    ) -> None:
        self._settings = settings
        self._workers = workers
        self._leases = leases
        self._memory = memory
        self._source_changes = source_changes
        self.size = Size(settings.processes, workers)
        self.seats = self.size.seats
        self._said_unserved = False
        self.ever_ready = False
        self.is_quiet = False
        self.note = ""
        self.unusable = ""

    @property
    def wanted(self) -> int:
        """How many workers there should be."""
        return len(self.seats)

    def handover(self) -> Handover:
        """Return what people told this daemon while it ran, and how far it has come."""
        asked, now = self._settings.processes, self.size.bounds
        return Handover(self.is_quiet, "" if now == asked else str(now), str(asked), self.wanted)

    def inherit(self, handover: Handover) -> None:
        """Go on with what they told the image before this one; a new number of workers in the settings goes first."""
        self.ever_ready, self.is_quiet = True, handover.is_quiet
        if handover.scaled_to and handover.processes == str(self._settings.processes):
            self.size.bounds = Bounds.parse(handover.scaled_to)
        self.size.resize(self.size.bounds.nearest(handover.seats))

    def set_quiet(self, *, is_quiet: bool) -> None:
        """Have all workers take no new jobs, or take them again."""
        self.is_quiet = is_quiet
        self._workers.tell("quiet" if is_quiet else "resume")

    def start_workers(self) -> None:
        """Start a worker in every seat that is due for one."""
        for seat in self.seats.due(self._workers.seats()):
            if self._workers.start(seat) is None:
                self.note = "a worker cannot be started, see worker.not_started in the log"
                self.seats.after_death(seat, Life(0.0))

    def hear_workers(self) -> None:
        """Act on what workers have said."""
        for worker, message in self._workers.messages():
            self._act_on(worker, message)

    def _act_on(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        event = message["event"]
        if event == "failed":
            worker.error = str(message["error"])
        elif event == "loaded" and worker.state == "starting":
            worker.state = "joining"
        elif event == "files":
            self._source_changes.files.watch(worker, message)
        elif event == "memory":
            self._memory.ask()
        elif event == "room":
            self._memory.grant(worker, message["job"], message["need_bytes"])
        elif event == "ready" and worker.plan is None:
            self._introduce(worker, message)
        elif event == "recycle":
            log.event("worker.recycle", worker=worker.id, pid=worker.pid, reason=message["reason"])
            self._source_changes.reload.add(worker)

    def _introduce(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        worker.state = "joining"
        worker.queues, worker.names = tuple(message["queues"]), tuple(message["names"])
        worker.has_outbox = message.get("outbox", False)
        self._workers.describe(worker)
        self._say_unserved(message["unserved"])
        self._leases.submit(
            Join(worker.id, worker.queues, roster(worker.names), worker.board, tuple(message["missing"]))
        )

    def _say_unserved(self, queues: list[str]) -> None:
        """Say once that the app has queues which this daemon leaves to others."""
        if queues and not self.ever_ready and not self._said_unserved:
            log.event(
                "queues.unserved", level=log.WARNING, queues=",".join(queues), hint="does another daemon serve them?"
            )
            self._said_unserved = True

    def hear_of_lease(self, event: LeaseEvent, worker: WorkerProcess) -> bool:
        """A worker has its lease, or has lost it; return whether it may begin now."""
        if event.kind == "fenced":
            log.event("worker.fenced", level=log.WARNING, worker=worker.id, pid=worker.pid)
            self._workers.stop(worker, stop_plans.stop_plan(time.monotonic(), self._settings.kill_after_s))
        elif event.kind == "outgrown":
            if self._source_changes.reload.add(worker):
                log.event("worker.recycle", worker=worker.id, pid=worker.pid, reason=event.message)
        elif worker.plan is None:
            worker.state = "ready"
            self.ever_ready, self.note = True, ""
            return True
        return False

    def let_begin(self, worker: WorkerProcess) -> None:
        """Have a ready worker take jobs."""
        if self.is_quiet:
            worker.channel.send("quiet")  # before "go", or it would take jobs in between
        worker.channel.send("go")
        log.event("worker.ready", worker=worker.id, pid=worker.pid)

    def replace_the_dead(self) -> None:
        """Have the jobs of dead workers taken back, and plan their successors."""
        for worker, code in self._workers.take_dead():
            for told in worker.last_files:
                self._source_changes.files.watch(worker, told)
            life = _life(worker)  # now: its board goes to the lease thread
            why = charge(worker, code)
            if not why.was_stopped and why.only is None:
                _say_crashed(worker, why)
            self._leases.submit(EndWorker(worker.id, worker.queues, why, worker.board, worker.stacks))
            if worker.plan is None and worker.seat in self.seats:
                self._plan_successor(worker, code, life)
            else:
                log.event("worker.gone", worker=worker.id, pid=worker.pid, code=code)

    def _plan_successor(self, worker: WorkerProcess, code: int, life: Life) -> None:
        next_s = self.seats.after_death(worker.seat, life)
        log.event(
            "worker.died", level=log.WARNING, worker=worker.id, pid=worker.pid, code=code, error=worker.error or None,
            lived_s=round(life.lived_s, 1), next_start_s=round(next_s, 2),
        )  # fmt: skip
        if code in (WorkerExit.BAD_APP, WorkerExit.REFUSED):
            self.note = f"workers do not start: {worker.error}"
            if not self.ever_ready:
                log.event("daemon.unusable", level=log.CRITICAL, app=self._settings.app, error=worker.error)
                self.unusable = worker.error
        elif not life.was_ready:
            self.note = f"a worker died before it was ready: {worker.error or f'it {how_it_ended(code)}'}"


def _say_crashed(worker: WorkerProcess, why: Charge) -> None:
    for entry in worker.board.running():
        log.event(
            "job.crashed", level=log.WARNING, logger=log.JOBS, job=f"{entry.queue}/{entry.id}", name=entry.name,
            attempt=entry.attempt, error=why.cause, worker=worker.id,
        )  # fmt: skip


def _life(worker: WorkerProcess) -> Life:
    executed = worker.board.word(Word.EXECUTED)
    return Life(time.monotonic() - worker.started_s, worker.state == "ready", executed)
