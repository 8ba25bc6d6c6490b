"""The daemon's main loop: signals, workers, their time limits, their replacement. Talks to no Redis itself.

boot ─▶ running ──TERM/INT──▶ draining ──all gone──▶ exit
             └──QUIT, second INT──▶ stopping ──────▶ exit
"""

from __future__ import annotations

import os
import random
import selectors
import signal
import time
from collections.abc import Callable
from pathlib import Path

from jqjobs import log
from jqjobs.daemon import pool
from jqjobs.daemon.leases import Bury, Join, LeaseKeeper
from jqjobs.daemon.limits import enforce_time_limits
from jqjobs.daemon.report import make_report
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.signals import SignalInbox
from jqjobs.daemon.spawn import WorkerProcess, new_worker_id, spawn
from jqjobs.exits import DaemonExit, WorkerExit
from jqjobs.process import describe_exit, identity_of

#: The loop turns at least this often; signals, dead workers and messages wake it at once.
_TURN_S = 0.25
_GOODBYE_S = 3.0


class Supervisor:
    """One per daemon. ``configure``: worker id, board path, control descriptor → what the worker is told."""

    def __init__(
        self, settings: DaemonSettings, keeper: LeaseKeeper, signals: SignalInbox, boards: Path,
        configure: Callable[[str, str, int], str],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._keeper = keeper
        self._signals = signals
        self._boards = boards
        self._configure = configure
        self._identity = identity_of(os.getpid())
        self._workers: dict[str, WorkerProcess] = {}
        self._restarts = {slot: pool.Restart() for slot in range(settings.processes)}
        self._state = "starting"
        self._note = ""
        self._started_s = time.monotonic()
        self._ever_ready = False
        self._to_replace: list[str] = []
        self._ints = 0
        self._exit = DaemonExit.ORDERLY

    def run(self) -> DaemonExit:
        """Supervise until told to end and all workers are gone."""
        self._wait_out_jitter()
        while not (self._ending and not self._workers):
            self._act_on_signals()
            self._hear_keeper()
            self._hear_workers()
            self._bury_the_dead()
            self._start_workers()
            self._replace_next()
            self._press_stopping()
            enforce_time_limits(self._workers.values(), self._settings.kill_after_s)
            self._keeper.report = make_report(self._settings, self._identity, self._described_state(), self._workers)
            self._wait()
        if not self._keeper.end(_GOODBYE_S):
            log.event("daemon.unburied", level=30, hint="the next daemon on this host takes the jobs up")
        log.event("daemon.ended", code=int(self._exit))
        return self._exit

    @property
    def _ending(self) -> bool:
        return self._state in ("draining", "stopping")

    def _described_state(self) -> tuple[str, str]:
        if self._keeper.waiting_for_redis and not self._ending:
            return "waiting_redis", self._keeper.waiting_for_redis
        return self._state, self._note

    def _wait_out_jitter(self) -> None:
        """Keep daemons that start together apart; a signal ends the wait."""
        delay_s = random.uniform(0, self._settings.jitter)
        until_s = time.monotonic() + delay_s
        while (left_s := until_s - time.monotonic()) > 0 and not self._ending:
            self._wait(left_s)
            self._act_on_signals()

    def _act_on_signals(self) -> None:
        for number in self._signals.take():
            log.event("signal", name=number.name)
            if number is signal.SIGHUP:
                self._to_replace = [worker.id for worker in self._workers.values() if worker.plan is None]
            elif number is signal.SIGQUIT or (number is signal.SIGINT and self._ints):
                self._stop_now()
            else:
                self._ints += number is signal.SIGINT
                self._drain()

    def _drain(self) -> None:
        if self._ending:
            return
        self._state = "draining"
        for worker in self._workers.values():
            self._retire(worker)

    def _stop_now(self) -> None:
        self._state = "stopping"
        for worker in self._workers.values():
            worker.plan = pool.stop_plan(time.monotonic(), self._settings.kill_after_s)

    def _retire(self, worker: WorkerProcess) -> None:
        if worker.plan is None:
            worker.state = "stopping"
            worker.plan = pool.drain_plan(time.monotonic(), self._settings.grace_s, self._settings.kill_after_s)

    def _hear_keeper(self) -> None:
        while not self._keeper.events.empty():
            event = self._keeper.events.get()
            if event.kind == "refused":
                log.event("daemon.refused", level=50, message=event.message)
                self._give_up()
                continue
            worker = self._workers.get(event.worker_id)
            if worker is None:
                continue
            if event.kind == "joined" and worker.plan is None:
                worker.state = "ready"
                self._state = "running" if self._state == "starting" else self._state
                self._ever_ready = True
                worker.channel.send("go")
                log.event("worker.ready", worker=worker.id, pid=worker.pid)
            elif event.kind == "fenced":
                log.event("worker.fenced", level=30, worker=worker.id, pid=worker.pid)
                worker.state, worker.plan = (
                    "stopping",
                    pool.stop_plan(time.monotonic(), self._settings.kill_after_s),
                )

    def _hear_workers(self) -> None:
        for worker in self._workers.values():
            for message in [] if worker.channel.closed else worker.channel.receive():
                if message["event"] == "ready":
                    worker.state = "joining"
                    worker.queues, worker.names = tuple(message["queues"]), tuple(message["names"])
                    worker.describe_on_board(self._identity)
                    self._keeper.submit(Join(worker.id, worker.queues, worker.names, worker.board))
                elif message["event"] == "failed":
                    worker.error = str(message["error"])

    def _bury_the_dead(self) -> None:
        for worker in list(self._workers.values()):
            code = worker.process.poll()
            if code is None:
                continue
            del self._workers[worker.id]
            self._hear_last_words(worker)
            self._keeper.submit(Bury(worker.id, worker.queues, *_charge(worker, code), worker.board))
            self._plan_successor(worker, code)

    def _hear_last_words(self, worker: WorkerProcess) -> None:
        for message in [] if worker.channel.closed else worker.channel.receive():
            worker.error = str(message.get("error", worker.error))
        worker.channel.close()

    def _plan_successor(self, worker: WorkerProcess, code: int) -> None:
        now_s = time.monotonic()
        lived_s = now_s - worker.started_s
        if worker.plan is not None:
            self._restarts[worker.slot] = pool.Restart(now_s)
            log.event("worker.gone", worker=worker.id, pid=worker.pid, code=code)
            return
        restart = pool.after_death(now_s, lived_s, self._restarts[worker.slot].short_lives)
        self._restarts[worker.slot] = restart
        log.event("worker.died", level=30, worker=worker.id, pid=worker.pid, code=code, error=worker.error or None,
                  lived_s=round(lived_s, 1), next_start_s=round(restart.at_s - now_s, 2))  # fmt: skip
        if code == WorkerExit.BAD_APP and not self._ever_ready:
            log.event("app.unusable", level=50, app=self._settings.app, error=worker.error)
            self._give_up()
        elif worker.error:
            self._note = f"app does not load: {worker.error}"

    def _give_up(self) -> None:
        self._exit = DaemonExit.CONFIGURATION
        self._drain()

    def _start_workers(self) -> None:
        if self._ending:
            return
        now_s = time.monotonic()
        taken = {worker.slot for worker in self._workers.values()}
        for slot, restart in self._restarts.items():
            if slot not in taken and now_s >= restart.at_s:
                self._start(slot)

    def _start(self, slot: int) -> None:
        worker_id = new_worker_id()
        try:
            worker = spawn(
                slot,
                worker_id,
                self._boards,
                self._identity,
                lambda board, fd: self._configure(worker_id, board, fd),
            )
        except OSError as error:
            log.event("worker.not_started", level=40, error=str(error))
            self._restarts[slot] = pool.after_death(time.monotonic(), 0.0, self._restarts[slot].short_lives + 1)
            return
        self._workers[worker.id] = worker
        log.event("worker.started", worker=worker.id, pid=worker.pid)

    def _replace_next(self) -> None:
        """Reload: retire one worker at a time, the next one when its successor is ready."""
        self._to_replace = [worker_id for worker_id in self._to_replace if worker_id in self._workers]
        ready = sum(worker.state == "ready" for worker in self._workers.values())
        if self._to_replace and ready == self._settings.processes and not self._ending:
            self._retire(self._workers[self._to_replace.pop(0)])

    def _press_stopping(self) -> None:
        now_s = time.monotonic()
        for worker in self._workers.values():
            if worker.plan is None:
                continue
            due = pool.due_signal(worker.plan, now_s)
            if due is not worker.sent:
                worker.send(due)
                worker.sent = due

    def _wait(self, timeout_s: float = _TURN_S) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals.wakeup, selectors.EVENT_READ)
            for worker in self._workers.values():
                if not worker.channel.closed:
                    selector.register(worker.channel, selectors.EVENT_READ)
            selector.select(timeout_s)
        self._signals.clear_wakeups()


def _charge(worker: WorkerProcess, code: int) -> tuple[str, str]:
    """Return what the running job of a dead worker is charged, and why, for its history."""
    if worker.killed_for:
        return "hung", worker.killed_for
    if worker.sent in (signal.SIGQUIT, signal.SIGKILL):
        return "interrupt", "its worker was stopped before the job ended"
    return "crash", describe_exit(code)
