"""The daemon's main loop: signals, workers, their time limits, their replacement. Talks to no Redis itself.

boot ─▶ running ──TERM/INT──▶ draining ──all gone──▶ exit
             └──QUIT, second INT──▶ stopping ──────▶ exit
"""

from __future__ import annotations

import random
import selectors
import signal
import time

from jqjobs import log
from jqjobs.daemon import pool
from jqjobs.daemon.crew import Crew, charge
from jqjobs.daemon.leases import LeaseKeeper
from jqjobs.daemon.limits import enforce_time_limits
from jqjobs.daemon.messages import Bury, Join, KeeperEvent
from jqjobs.daemon.reload import Reload
from jqjobs.daemon.report import make_report
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.signals import SignalInbox
from jqjobs.daemon.spawn import WorkerProcess
from jqjobs.exits import DaemonExit, WorkerExit

#: The loop turns at least this often; signals, dead workers and messages wake it at once.
_TURN_S = 0.25
_GOODBYE_S = 3.0


class Supervisor:
    """One per daemon, wired in `cli.jqd`."""

    def __init__(self, settings: DaemonSettings, keeper: LeaseKeeper, signals: SignalInbox, crew: Crew) -> None:
        self._settings = settings
        self._keeper = keeper
        self._signals = signals
        self._crew = crew
        self._reload = Reload(crew)
        self._restarts = {slot: pool.Restart() for slot in range(settings.processes)}
        self._state = "starting"
        self._note = ""
        self._ever_ready = False
        self._was_interrupted = False
        self._exit = DaemonExit.ORDERLY

    def run(self) -> DaemonExit:
        """Supervise until told to end and all workers are gone."""
        self._wait_out_jitter()
        while not (self._ending and not self._crew.workers):
            self._act_on_signals()
            self._hear_keeper()
            self._hear_workers()
            self._bury_the_dead()
            self._start_workers()
            self._reload.advance()
            self._crew.press()
            enforce_time_limits(self._crew, self._settings.kill_after_s)
            self._report()
            self._wait()
        if not self._keeper.end(_GOODBYE_S):
            log.event("daemon.unburied", level=30, hint="the next daemon on this host takes the jobs up")
        log.event("daemon.ended", code=int(self._exit))
        return self._exit

    @property
    def _ending(self) -> bool:
        return self._state in ("draining", "stopping")

    def _wait_out_jitter(self) -> None:
        """Keep daemons that start together apart; a signal ends the wait."""
        until_s = time.monotonic() + random.uniform(0, self._settings.jitter)
        while (left_s := until_s - time.monotonic()) > 0 and not self._ending:
            self._wait(left_s)
            self._act_on_signals()

    def _act_on_signals(self) -> None:
        for number in self._signals.take():
            log.event("signal", name=number.name)
            if number is signal.SIGHUP:
                self._reload.begin()
            elif number is signal.SIGQUIT or (number is signal.SIGINT and self._was_interrupted):
                self._stop_now()
            elif number in (signal.SIGTERM, signal.SIGINT):
                self._was_interrupted = self._was_interrupted or number is signal.SIGINT
                self._drain()

    def _drain(self) -> None:
        if self._ending:
            return
        self._state = "draining"
        self._reload.abandon()
        plan = pool.drain_plan(time.monotonic(), self._settings.grace_s, self._settings.kill_after_s)
        for worker in self._crew:
            if worker.plan is None or worker.plan.makes_room:
                self._crew.stop(worker, plan)

    def _stop_now(self) -> None:
        self._state = "stopping"
        self._reload.abandon()
        for worker in self._crew:
            self._crew.stop(worker, pool.stop_plan(time.monotonic(), self._settings.kill_after_s))

    def _give_up(self) -> None:
        self._exit = DaemonExit.CONFIGURATION
        self._drain()

    def _hear_keeper(self) -> None:
        while not self._keeper.events.empty():
            event = self._keeper.events.get()
            worker = self._crew.workers.get(event.worker_id)
            if event.kind == "refused":
                log.event("daemon.refused", level=50, message=event.message)
                self._give_up()
            elif worker is not None:
                self._hear_of_lease(event, worker)

    def _hear_of_lease(self, event: KeeperEvent, worker: WorkerProcess) -> None:
        if event.kind == "fenced":
            log.event("worker.fenced", level=30, worker=worker.id, pid=worker.pid)
            self._crew.stop(worker, pool.stop_plan(time.monotonic(), self._settings.kill_after_s))
        elif worker.plan is None:
            worker.state = "ready"
            self._state = "running" if self._state == "starting" else self._state
            self._ever_ready, self._note = True, ""
            worker.channel.send("go")
            log.event("worker.ready", worker=worker.id, pid=worker.pid)

    def _hear_workers(self) -> None:
        for worker, message in self._crew.messages():
            if message["event"] == "failed":
                worker.error = str(message["error"])
            elif message["event"] == "ready" and worker.plan is None:
                worker.state = "joining"
                worker.queues, worker.names = tuple(message["queues"]), tuple(message["names"])
                worker.describe_on_board(self._crew.identity)
                self._keeper.submit(Join(worker.id, worker.queues, worker.names, worker.board))

    def _bury_the_dead(self) -> None:
        for worker, code in self._crew.take_dead():
            self._keeper.submit(Bury(worker.id, worker.queues, *charge(worker, code), worker.board))
            if worker.plan is not None:
                self._restarts[worker.slot] = pool.Restart(time.monotonic())
                log.event("worker.gone", worker=worker.id, pid=worker.pid, code=code)
            else:
                self._plan_successor(worker, code)

    def _plan_successor(self, worker: WorkerProcess, code: int) -> None:
        now_s = time.monotonic()
        lived_s = now_s - worker.started_s
        restart = pool.after_death(now_s, lived_s, self._restarts[worker.slot].short_lives)
        self._restarts[worker.slot] = restart
        log.event("worker.died", level=30, worker=worker.id, pid=worker.pid, code=code, error=worker.error or None,
                  lived_s=round(lived_s, 1), next_start_s=round(restart.at_s - now_s, 2))  # fmt: skip
        if code in (WorkerExit.BAD_APP, WorkerExit.REFUSED):
            self._note = f"workers do not start: {worker.error}"
            if not self._ever_ready:
                log.event("daemon.unusable", level=50, app=self._settings.app, error=worker.error)
                self._give_up()

    def _start_workers(self) -> None:
        if self._ending:
            return
        now_s = time.monotonic()
        taken = self._crew.slots()
        for slot, restart in self._restarts.items():
            if slot not in taken and now_s >= restart.at_s and self._crew.start(slot) is None:
                self._restarts[slot] = pool.after_death(now_s, 0.0, restart.short_lives + 1)

    def _report(self) -> None:
        state, note = self._state, self._note
        if self._keeper.waiting_for_redis and not self._ending:
            state, note = "waiting_redis", self._keeper.waiting_for_redis
        elif self._reload.is_under_way:
            state = "reloading"
        elif self._reload.refused_because:
            note = f"reload refused: {self._reload.refused_because}"
        self._keeper.report = make_report(self._settings, self._crew, state, note)

    def _wait(self, timeout_s: float = _TURN_S) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals.wakeup, selectors.EVENT_READ)
            for worker in self._crew:
                if not worker.channel.closed:
                    selector.register(worker.channel, selectors.EVENT_READ)
            selector.select(timeout_s)
        self._signals.clear_wakeups()
