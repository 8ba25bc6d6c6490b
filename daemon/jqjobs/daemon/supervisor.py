"""The daemon's main loop: signals and orders, workers, their time limits, their replacement. Talks to no Redis itself.

boot ─▶ running ──TERM/INT──▶ draining ──all gone──▶ exit
             ├──QUIT, second INT──▶ stopping ──────▶ exit
             └──jqjobs or its settings changed──▶ replacing ──all gone──▶ exec of the new daemon under the same pid
"""

from __future__ import annotations

import random
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from jqjobs.base import log
from jqjobs.daemon.control.executor import Remote
from jqjobs.daemon.deploys.source_changes import SourceChanges, Step
from jqjobs.daemon.health.probes import HealthFacts
from jqjobs.daemon.leases.thread import LeaseThread
from jqjobs.daemon.memory.guard import MemoryGuard
from jqjobs.daemon.notify import Notifier
from jqjobs.daemon.report import make_report
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.signals import SignalInbox
from jqjobs.daemon.worker_lifecycle import Handover, WorkerLifecycle
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.dumps import Dumps
from jqjobs.daemon.workers.reaper import adopts_orphans, reap_strangers
from jqjobs.daemon.workers.recall import Recaller
from jqjobs.daemon.workers.time_limits import Silence, enforce_time_limits
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.link.exits import DaemonExit

#: The loop turns at least this often; signals, dead workers and messages wake it at once.
_TURN_S = 0.25
_GOODBYE_S = 3.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the supervisor works with, wired in `cli.jqd`."""

    leases: LeaseThread
    signals: SignalInbox
    workers: WorkerProcesses
    notifier: Notifier
    memory: MemoryGuard
    source_changes: SourceChanges
    remote: Remote
    other_children: frozenset[int] = frozenset()  #: processes that somebody else waits for


def drain_s(settings: DaemonSettings) -> float:
    """Return how long a drain may take at most, in seconds."""
    return settings.grace_s + settings.kill_after_s + _GOODBYE_S


class Supervisor:
    """One per daemon. ``wants_exec``: it ended only to be replaced by a new image of itself."""

    def __init__(self, settings: DaemonSettings, parts: Parts, handover: Handover | None = None) -> None:
        """``handover``: of the image before this one. It was at work: an app that does not load is no reason to end."""
        self._settings = settings
        self._leases = parts.leases
        self._signals = parts.signals
        self._workers = parts.workers
        self._notifier = parts.notifier
        self._memory = parts.memory
        self._source_changes = parts.source_changes
        self._remote = parts.remote
        self._other_children = parts.other_children
        self._adopts_orphans = adopts_orphans()
        self._lifecycle = WorkerLifecycle(settings, parts.workers, parts.leases, parts.memory, parts.source_changes)
        if handover is not None:
            self._lifecycle.inherit(handover)
        self._dumps = Dumps(parts.workers)
        self._recaller = Recaller(settings.prefetch_ms, parts.leases.submit)
        self._silence = Silence(settings.poll_s)
        self._started_s = self._turned_s = time.monotonic()
        self._state = "starting"
        self._shown = ("starting", "")
        self._was_interrupted = False
        self._exit = DaemonExit.ORDERLY
        self.wants_exec = False
        one_more, one_less = (lambda: self.resize(self.wanted + 1)), (lambda: self.resize(self.wanted - 1))
        self._actions: dict[signal.Signals, Callable[[], object]] = {
            signal.SIGTERM: self.drain, signal.SIGINT: self.drain, signal.SIGQUIT: self.stop_now,
            signal.SIGHUP: self.reload, signal.SIGUSR2: self.quiet, signal.SIGCONT: self.resume,
            signal.SIGTTIN: one_more, signal.SIGTTOU: one_less, signal.SIGUSR1: self._dumps.ask,
        }  # fmt: skip

    def run(self) -> DaemonExit:
        """Supervise until told to end and all workers are gone."""
        self._wait_out_jitter()
        while not (self._is_ending and not self._workers.by_id):
            self._act_on_signals()
            self._remote.perform(self)
            self._hear_leases()
            self._lifecycle.hear_workers()
            self._lifecycle.bury_the_dead()
            self._reap_orphans()
            self._start_workers()
            self._advance_sources()
            self._memory.look()
            self._workers.press()
            enforce_time_limits(self._workers, self._settings.kill_after_s)
            look_again_s = self._recaller.look(self._workers)
            self._silence.look(self._workers)
            self._dumps.show()
            self._end_of_cooldown()
            self._report()
            self._wait(min(_TURN_S, look_again_s or _TURN_S))
        if not self._leases.end(_GOODBYE_S):
            log.event("daemon.unburied", level=30, hint="the next daemon on this host takes the jobs up")
        log.event("daemon.ended", code=int(self._exit))
        return self._exit

    @property
    def _is_ending(self) -> bool:
        return self._state in ("draining", "stopping", "replacing")

    def _wait_out_jitter(self) -> None:
        """Keep daemons that start together apart; a signal ends the wait."""
        until_s = time.monotonic() + random.uniform(0, self._settings.jitter)
        while (left_s := until_s - time.monotonic()) > 0 and not self._is_ending:
            self._wait(left_s)
            self._act_on_signals()

    def _act_on_signals(self) -> None:
        for number in self._signals.take():
            log.event("signal", name=number.name)
            is_second = number is signal.SIGINT and self._was_interrupted
            self._was_interrupted = self._was_interrupted or number is signal.SIGINT
            if is_second:
                self.stop_now()
            elif number in self._actions:
                self._actions[number]()

    @property
    def wanted(self) -> int:
        """How many workers there should be."""
        return self._lifecycle.wanted

    @property
    def state(self) -> str:
        """The daemon's state, as `jqctl status` is about to show it."""
        return self._describe()[0]

    def quiet(self) -> None:
        """Take no new jobs until `resume`."""
        self._lifecycle.set_quiet(is_quiet=True)

    def resume(self) -> None:
        """Take jobs again."""
        self._lifecycle.set_quiet(is_quiet=False)

    def resize(self, count: int) -> int:
        """Have so many workers from now on, at least one; return the number."""
        return self._lifecycle.resize(count)

    def reload(self) -> None:
        """Replace the workers one by one, and the daemon too when jqjobs or its settings have changed."""
        if not self._is_ending:
            self._notifier.reloading()
            self._source_changes.on_hup()

    def dump(self, when_written: Callable[[list[dict[str, object]]], None]) -> None:
        """Have the stacks of all workers written down, and given to ``when_written`` a moment later."""
        self._dumps.ask(when_written)

    def drain(self) -> None:
        """Take no new jobs, let the running ones finish within the grace period, end."""
        if self._state in ("draining", "stopping"):
            return
        self._end("draining", self._settings.grace_s)

    def stop_now(self) -> None:
        """Interrupt the running jobs, give them back, end."""
        self._end("stopping", 0.0)

    def _end(self, state: str, grace_s: float) -> None:
        self._state, self.wants_exec = state, state == "replacing"
        if not self.wants_exec:
            self._source_changes.abandon()
        # Patience is for who has said that it is stopping, or reloading.
        self._notifier.tell("reloading" if self.wants_exec else state, "finishing running jobs")
        self._notifier.extend(grace_s + self._settings.kill_after_s + _GOODBYE_S)
        plan = stop_plans.drain_plan(time.monotonic(), grace_s, self._settings.kill_after_s)
        for worker in self._workers:
            if worker.plan is None or worker.plan.is_patient or state == "stopping":
                self._workers.stop(worker, plan)

    def _reap_orphans(self) -> None:
        if self._adopts_orphans:
            reap_strangers(
                {worker.pid for worker in self._workers} | self._source_changes.children() | self._other_children
            )

    def _advance_sources(self) -> None:
        if self._is_ending:
            return  # the next daemon loads what there is then
        step = self._source_changes.advance()
        if step is Step.RELOADING:
            self._lifecycle.start_soon()
        elif step is Step.EXEC:
            log.event("daemon.replacing")
            self._end("replacing", self._settings.grace_s)

    def _end_of_cooldown(self) -> None:
        if 0 < self._settings.cooldown_s <= time.monotonic() - self._started_s and not self._is_ending:
            log.event("daemon.cooldown", after_s=self._settings.cooldown_s)
            self.drain()

    def _give_up(self) -> None:
        self._exit = DaemonExit.CONFIGURATION
        self.drain()

    def _hear_leases(self) -> None:
        while not self._leases.events.empty():
            event = self._leases.events.get()
            worker = self._workers.by_id.get(event.worker_id)
            if event.kind == "refused" and not self._is_ending:
                log.event("daemon.refused", level=50, message=event.message)
                self._give_up()
            elif event.kind == "exhausted" and not self._is_ending:
                log.event("daemon.exhausted", burst=self._settings.burst)
                self.drain()
            elif worker is not None:
                self._lifecycle.hear_of_lease(event, worker)

    def _start_workers(self) -> None:
        if self._lifecycle.unusable and not self._is_ending:
            self._give_up()
        if not self._is_ending:
            self._lifecycle.start_workers()

    def _report(self) -> None:
        self._turned_s = time.monotonic()
        if self._state == "starting" and self._workers.ready():
            self._state = "running"
        state, note = self._shown = self._describe()
        ready = f"{self._workers.ready()} of {self.wanted} workers ready"
        self._notifier.tell(state, note or (ready if state == "running" else f"{state}, {ready}"))
        self._leases.report = make_report(self._settings, self._workers, state, note, self.wanted)

    def _describe(self) -> tuple[str, str]:
        """Return the state and the note that people are shown: of all that is true, what matters most."""
        if self._state in ("draining", "stopping"):
            return self._state, ""
        if self._leases.waiting_for_redis:
            return "waiting_redis", self._leases.waiting_for_redis
        if self._state == "replacing" or self._source_changes.is_under_way:
            return "reloading", self._lifecycle.note
        refusal = (
            f"reload refused: {self._source_changes.refusal}" if self._source_changes.refusal else self._lifecycle.note
        )
        if self._state == "starting":
            return self._state, refusal
        if self._memory.note:
            return "waiting_memory", self._memory.note
        return ("quiet" if self._lifecycle.is_quiet else self._state), refusal

    def handover(self) -> Handover:
        """Return what a new image of this daemon is to go on with."""
        return self._lifecycle.handover()

    def health(self) -> HealthFacts:
        """Return what the health endpoint judges; called by its thread."""
        now_s, (state, note) = time.monotonic(), self._shown
        return HealthFacts(
            main_loop_age_s=now_s - self._turned_s, lease_loop_age_s=now_s - self._leases.turned_s,
            redis_error=self._leases.waiting_for_redis, ready=self._workers.ready(), wanted=self.wanted,
            state=state, note=note, lease_s=self._settings.lease_s,
        )  # fmt: skip

    def _wait(self, timeout_s: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals.wakeup, selectors.EVENT_READ)
            for worker in self._workers:
                if not worker.channel.closed:
                    selector.register(worker.channel, selectors.EVENT_READ)
            selector.select(timeout_s)
        self._signals.wakeup.clear()
