"""The daemon's main loop: signals and orders, workers, their time limits, their replacement. Talks to no Redis itself.

What people can tell it is in `controls`, how it ends in `ending`, what it shows of itself in `shown_state`.
"""

from __future__ import annotations

import random
import selectors
import time
from dataclasses import dataclass, field

from jqjobs.base import log
from jqjobs.base.children import Children
from jqjobs.daemon.control.listener import ControlListener
from jqjobs.daemon.control.order_executor import OrderExecutor
from jqjobs.daemon.controls import Controls
from jqjobs.daemon.deploys.source_changes import Step
from jqjobs.daemon.ending import REDIS_AT_END_S
from jqjobs.daemon.leases.thread import LeaseThread
from jqjobs.daemon.memory.guard import MemoryGuard
from jqjobs.daemon.scaler import Scaler
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.signals import SignalInbox
from jqjobs.daemon.worker_lifecycle import Handover
from jqjobs.daemon.workers.lost_boards import LostBoards
from jqjobs.daemon.workers.outbox_relay import OutboxRelay
from jqjobs.daemon.workers.reaper import adopts_orphans, reap_strangers
from jqjobs.daemon.workers.recall import Recaller
from jqjobs.daemon.workers.suspect_takers import SuspectTakers
from jqjobs.daemon.workers.time_limits import Silence, enforce_time_limits
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.link.exits import DaemonExit

#: The loop turns at least this often; signals, dead workers and messages wake it at once.
_TURN_S = 0.25


@dataclass(frozen=True, slots=True)
class Parts:
    """What the supervisor works with, wired in `daemon.wiring`."""

    signals: SignalInbox
    listener: ControlListener
    controls: Controls
    workers: WorkerProcesses
    leases: LeaseThread
    memory: MemoryGuard
    scaler: Scaler
    suspect_takers: SuspectTakers
    lost_boards: LostBoards
    outbox_relay: OutboxRelay
    children: Children = field(default_factory=Children)  #: processes that other threads wait for


class Supervisor:
    """One per daemon. At each turn of its loop it

    - does what signals and orders ask for
    - hears of leases, given and lost, and of the end of a burst
    - hears its workers, has the dead replaced, sees how many are wanted and starts them, and the relay of the outbox
    - goes on with a deploy
    - looks how much memory is left, and says who takes suspects
    - sends stopping workers the signal that is due, and looks from outside at what jobs are up to
    - publishes what it is at
    """

    def __init__(self, settings: DaemonSettings, parts: Parts) -> None:
        self._settings = settings
        self._signals = parts.signals
        self._orders = OrderExecutor(parts.listener)
        self._controls = parts.controls
        self._lifecycle = parts.controls.lifecycle
        self._source_changes = parts.controls.source_changes
        self._ending = parts.controls.ending
        self._shown_state = parts.controls.shown_state
        self._dumps = parts.controls.dumps
        self._workers = parts.workers
        self._leases = parts.leases
        self._memory = parts.memory
        self._scaler = parts.scaler
        self._suspect_takers = parts.suspect_takers
        self._lost_boards = parts.lost_boards
        self._outbox_relay = parts.outbox_relay
        self._children = parts.children
        self._adopts_orphans = adopts_orphans()
        self._recaller = Recaller(settings.prefetch_ms, parts.leases.submit)
        self._silence = Silence(settings.poll_s)

    def run(self) -> DaemonExit:
        """Supervise until told to end and all workers are gone."""
        self._wait_out_jitter()
        while not (self._ending.is_under_way and not self._workers.by_id):
            self._hear_people()
            self._hear_leases()
            self._tend_workers()
            self._advance_deploy()
            self._memory.look()
            self._suspect_takers.appoint()
            self._lost_boards.look()
            self._workers.press()
            pause_s = self._look_at_jobs()
            self._ending.drain_after_cooldown()
            self._shown_state.publish()
            self._wait(pause_s)
        self._outbox_relay.end()
        if not self._leases.end(REDIS_AT_END_S):
            log.event("daemon.unburied", level=log.WARNING, hint="the next daemon on this host takes the jobs up")
        log.event("daemon.ended", code=int(self._ending.exit))
        return self._ending.exit

    def _wait_out_jitter(self) -> None:
        """Keep daemons that start together apart; a signal ends the wait."""
        until_s = time.monotonic() + random.uniform(0, self._settings.jitter)
        while (left_s := until_s - time.monotonic()) > 0 and not self._ending.is_under_way:
            self._wait(left_s)
            self._signals.perform(self._controls)

    def _hear_people(self) -> None:
        self._signals.perform(self._controls)
        self._orders.perform(self._controls)

    def _hear_leases(self) -> None:
        while not self._leases.events.empty():
            event = self._leases.events.get()
            worker = self._workers.by_id.get(event.worker_id)
            if event.kind == "refused" and not self._ending.is_under_way:
                log.event("daemon.refused", level=log.CRITICAL, message=event.message)
                self._ending.give_up()
            elif event.kind == "exhausted" and not self._ending.is_under_way:
                log.event("daemon.exhausted", burst=self._settings.burst)
                self._ending.drain()
            elif worker is not None and self._lifecycle.hear_of_lease(event, worker):
                self._suspect_takers.appoint()  # or its first jobs would not be the suspects that wait
                self._lifecycle.let_begin(worker)

    def _tend_workers(self) -> None:
        self._lifecycle.hear_workers()
        self._lifecycle.replace_the_dead()
        if self._adopts_orphans:
            ours = {worker.pid for worker in self._workers}
            ours |= self._outbox_relay.pids | self._source_changes.children()
            with self._children.lock:
                reap_strangers(ours | self._children.pids)
        if self._lifecycle.unusable and not self._ending.is_under_way:
            self._ending.give_up()
        if not self._ending.is_under_way:
            self._scaler.look()
            self._lifecycle.start_workers()
        self._outbox_relay.look()

    def _advance_deploy(self) -> None:
        if self._ending.is_under_way:
            return  # the next daemon loads what there is then
        step = self._source_changes.advance()
        if step is Step.RELOADING:
            self._lifecycle.seats.forget_deaths()  # the code is another one now
            self._outbox_relay.replace()
        elif step is Step.EXEC:
            self._ending.replace()

    def _look_at_jobs(self) -> float:
        """Do from outside what a job keeps its worker from doing; return after how many seconds to look again."""
        enforce_time_limits(self._workers, self._settings.kill_after_s)
        look_again_s = self._recaller.look(self._workers)
        self._silence.look(self._workers)
        self._dumps.show()
        return min(_TURN_S, look_again_s or _TURN_S)

    def _wait(self, timeout_s: float) -> None:
        with selectors.PollSelector() as selector:  # needs no descriptor: there may be none left
            selector.register(self._signals.wakeup, selectors.EVENT_READ)
            for worker in self._workers:
                if not worker.channel.closed:
                    selector.register(worker.channel, selectors.EVENT_READ)
            selector.select(timeout_s)
        self._signals.wakeup.clear()

    @property
    def wants_exec(self) -> bool:
        """Whether it ended only to be replaced by a new image of itself."""
        return self._ending.wants_exec

    def handover(self) -> Handover:
        """Return what a new image of this daemon is to go on with."""
        return self._lifecycle.handover()
