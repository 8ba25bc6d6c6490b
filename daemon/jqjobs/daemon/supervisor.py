"""The daemon's main loop: signals, workers, their time limits, their replacement. Talks to no Redis itself.

boot ─▶ running ──TERM/INT──▶ draining ──all gone──▶ exit
             └──QUIT, second INT──▶ stopping ──────▶ exit
"""

from __future__ import annotations

import random
import selectors
import signal
import time
from collections.abc import Callable

from jqjobs import log
from jqjobs.daemon import pool
from jqjobs.daemon.crew import Crew, charge
from jqjobs.daemon.dumps import Dumps
from jqjobs.daemon.leases import LeaseKeeper
from jqjobs.daemon.limits import Silence, enforce_time_limits
from jqjobs.daemon.messages import Bury, Join, KeeperEvent
from jqjobs.daemon.notify import Notifier
from jqjobs.daemon.reload import Reload
from jqjobs.daemon.report import make_report
from jqjobs.daemon.settings import MAX_PROCESSES, DaemonSettings
from jqjobs.daemon.signals import SignalInbox
from jqjobs.daemon.spawn import WorkerProcess
from jqjobs.exits import DaemonExit, WorkerExit

#: The loop turns at least this often; signals, dead workers and messages wake it at once.
_TURN_S = 0.25
_GOODBYE_S = 3.0


class Supervisor:
    """One per daemon, wired in `cli.jqd`."""

    def __init__(
        self, settings: DaemonSettings, keeper: LeaseKeeper, signals: SignalInbox, crew: Crew, notifier: Notifier
    ) -> None:
        self._settings = settings
        self._keeper = keeper
        self._signals = signals
        self._crew = crew
        self._notifier = notifier
        self._reload = Reload(crew)
        self._dumps = Dumps(crew)
        self._silence = Silence(settings.poll_s)
        self._started_s = time.monotonic()
        self._restarts = {slot: pool.Restart() for slot in range(settings.processes)}
        self._state = "starting"
        self._note = ""
        self._ever_ready = False
        self._said_unserved = False
        self._was_interrupted = False
        self._is_quiet = False
        self._exit = DaemonExit.ORDERLY
        self._actions: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self._drain, signal.SIGINT: self._drain, signal.SIGQUIT: self._stop_now,
            signal.SIGHUP: self._reload.begin, signal.SIGUSR2: self._quiet, signal.SIGCONT: self._resume,
            signal.SIGTTIN: self._one_more, signal.SIGTTOU: self._one_less, signal.SIGUSR1: self._dumps.ask,
        }  # fmt: skip

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
            self._silence.look(self._crew)
            self._dumps.show()
            self._end_of_cooldown()
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
            is_second = number is signal.SIGINT and self._was_interrupted
            self._was_interrupted = self._was_interrupted or number is signal.SIGINT
            if is_second:
                self._stop_now()
            elif number in self._actions:
                self._actions[number]()

    def _quiet(self) -> None:
        self._is_quiet = True
        self._crew.tell("quiet")

    def _resume(self) -> None:
        self._is_quiet = False
        self._crew.tell("resume")

    def _one_more(self) -> None:
        if len(self._restarts) < MAX_PROCESSES:
            self._restarts[max(self._restarts, default=-1) + 1] = pool.Restart()

    def _one_less(self) -> None:
        """Give up the last slot; its worker finishes its job."""
        if len(self._restarts) <= 1:
            return
        slot = max(self._restarts)
        del self._restarts[slot]
        for worker in self._crew:
            if worker.slot == slot and worker.plan is None:
                self._crew.stop(worker, pool.retire_plan())

    def _drain(self) -> None:
        if self._ending:
            return
        self._state = "draining"
        self._reload.abandon()
        self._notifier.tell(self._state, "finishing running jobs")  # patience is for who is stopping
        self._notifier.extend(self._settings.grace_s + self._settings.kill_after_s + _GOODBYE_S)
        plan = pool.drain_plan(time.monotonic(), self._settings.grace_s, self._settings.kill_after_s)
        for worker in self._crew:
            if worker.plan is None or worker.plan.makes_room:
                self._crew.stop(worker, plan)

    def _stop_now(self) -> None:
        self._state = "stopping"
        self._reload.abandon()
        for worker in self._crew:
            self._crew.stop(worker, pool.stop_plan(time.monotonic(), self._settings.kill_after_s))

    def _end_of_cooldown(self) -> None:
        if 0 < self._settings.cooldown_s <= time.monotonic() - self._started_s and not self._ending:
            log.event("daemon.cooldown", after_s=self._settings.cooldown_s)
            self._drain()

    def _refuse(self, reason: str) -> None:
        if not self._ending:
            log.event("daemon.refused", level=50, message=reason)
            self._give_up()

    def _give_up(self) -> None:
        self._exit = DaemonExit.CONFIGURATION
        self._drain()

    def _hear_keeper(self) -> None:
        while not self._keeper.events.empty():
            event = self._keeper.events.get()
            worker = self._crew.workers.get(event.worker_id)
            if event.kind == "refused":
                self._refuse(event.message)
            elif event.kind == "exhausted" and not self._ending:
                log.event("daemon.exhausted", burst=self._settings.burst)
                self._drain()
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
            if self._is_quiet:
                worker.channel.send("quiet")  # before "go", or it would take jobs in between
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
                self._say_unserved(message["unserved"])
                self._keeper.submit(Join(worker.id, worker.queues, worker.names, worker.board))
            elif message["event"] == "recycle":
                log.event("worker.recycle", worker=worker.id, pid=worker.pid, reason=message["reason"])
                self._reload.add(worker)

    def _say_unserved(self, queues: list[str]) -> None:
        """Say once that the app has queues which this daemon leaves to others."""
        if queues and not self._ever_ready and not self._said_unserved:
            log.event("queues.unserved", level=30, queues=",".join(queues), hint="does another daemon serve them?")
            self._said_unserved = True

    def _bury_the_dead(self) -> None:
        for worker, code in self._crew.take_dead():
            self._keeper.submit(Bury(worker.id, worker.queues, *charge(worker, code), worker.board, worker.stacks))
            if worker.plan is None and worker.slot in self._restarts:
                self._plan_successor(worker, code)
            else:
                log.event("worker.gone", worker=worker.id, pid=worker.pid, code=code)

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
        elif self._is_quiet and self._state == "running":
            state = "quiet"
        self._notifier.tell(state, note or f"{self._crew.ready()} of {len(self._restarts)} workers ready")
        self._keeper.report = make_report(self._settings, self._crew, state, note, len(self._restarts))

    def _wait(self, timeout_s: float = _TURN_S) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals.wakeup, selectors.EVENT_READ)
            for worker in self._crew:
                if not worker.channel.closed:
                    selector.register(worker.channel, selectors.EVENT_READ)
            selector.select(timeout_s)
        self._signals.clear_wakeups()
