"""Makes the parts of one worker from its configuration and its app; nothing is started or connected here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jqjobs.api.app import App
from jqjobs.base.alarm import alarm
from jqjobs.base.config import Environment
from jqjobs.link.channel import Channel
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.store.address import Address
from jqjobs.store.login import address_of
from jqjobs.store.store import Store
from jqjobs.worker.attempts.event_loop import LoopThread
from jqjobs.worker.attempts.hook_calls import HookQueue
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.attempts.note_writer import NoteWriter
from jqjobs.worker.attempts.runner import Guard, Runner
from jqjobs.worker.attempts.thread_interrupt import ThreadInterrupter
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.life_hooks import LifeHooks
from jqjobs.worker.life.loaded_files import LoadedFiles
from jqjobs.worker.life.memory_grants import MemoryGrants
from jqjobs.worker.life.own_memory import OwnMemory
from jqjobs.worker.life.parts import WorkerParts
from jqjobs.worker.life.served_places import served_places
from jqjobs.worker.life.surroundings import Surroundings
from jqjobs.worker.life.worker_signals import Signals
from jqjobs.worker.slots.executor import Executor, MainThread
from jqjobs.worker.slots.job_log import JobLog
from jqjobs.worker.slots.job_statistics import JobStatistics
from jqjobs.worker.slots.monitor import JobInterrupter, Monitor, SlotInterrupter, look_every_s
from jqjobs.worker.slots.pool import Pool
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.fetching import Fetching, OneSlot, SeveralSlots
from jqjobs.worker.trips.offering import Offering
from jqjobs.worker.trips.queue_order import Turns, queue_order
from jqjobs.worker.trips.suspects import SuspectTurn
from jqjobs.worker.trips.tail import Tail
from jqjobs.worker.trips.token_line import Heard, token_lines
from jqjobs.worker.trips.turning import Turning
from jqjobs.worker.trips.wake_trip import WakeTrip
from jqjobs.worker.trips.wake_wait import WakeWait

#: What jobs say of themselves holds up their worker for so long at most.
_NOTES_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcess:
    """What there is before an app is loaded."""

    config: WorkerConfig
    environment: Environment
    channel: Channel
    signals: Signals
    interrupter: Interrupter
    instructions: Instructions
    surroundings: Surroundings
    loaded_files: LoadedFiles


def wire(process: WorkerProcess, app: App) -> WorkerParts:
    """Return the parts of a worker, wired by hand."""
    return _Wiring(process, app).parts()


def redis_of(process: WorkerProcess, app: App) -> Address:
    """Return where the worker works. Raises: ConfigError."""
    return address_of(process.config.redis_url, process.environment, app.credentials)


class _Attempts:
    """What runs attempts, and ends them early: on the main thread by a signal, else on the thread of a slot."""

    def __init__(self, process: WorkerProcess, app: App, notes: NoteWriter, batch: Batch, rng: random.Random) -> None:
        config, interrupter = process.config, process.interrupter
        self.loop_thread = LoopThread()
        self.on_threads = ThreadInterrupter(lambda: interrupter.in_child, self.loop_thread, config.hung_after_ms)
        guard: Guard = interrupter
        if config.concurrency > 1:
            guard, interrupter.event_loop = self.on_threads, self.loop_thread
        # On threads nobody can take a signal for himself.
        asked_to_end = process.surroundings.asked_to_end if config.concurrency == 1 else None
        self.runner = Runner(
            app, config.worker_id, guard, rng, notes, asked_to_end=asked_to_end,
            may_clean_up=batch.may_clean_up, park_ms=config.park_ms,
        )  # fmt: skip


class _Wiring:
    """The parts while they are made: each from those before it."""

    def __init__(self, process: WorkerProcess, app: App) -> None:
        self.process = process
        self.app = app
        self.config = config = process.config
        address, name = redis_of(process, app), config.worker_id
        queues = served_places(address, config, app)
        self.rng = random.Random()
        self.store = Store(address, name=name)
        self.board = WorkerBoard(Path(config.board))
        self.look_every_s = look_every_s(config.concurrency)
        self.batch = Batch(self.board, alarm(self.look_every_s), is_for_one_slot=config.concurrency == 1)
        self.job_log = JobLog(config.log_jobs_ms, has_file=config.job_log != "")
        self.heard = Heard()
        self.notes = NoteWriter(Store(address, timeout_s=_NOTES_TIMEOUT_S, name=name), name, config.concurrency)
        self.attempts = _Attempts(process, app, self.notes, self.batch, self.rng)
        self.runner = self.attempts.runner
        self.tail = Tail(name, wake=self.batch.busy.set, note_ends=self._note_ends)
        self.exchanger = Exchanger(
            self.store, queue_order(queues, config.weights, config.patterns), name, config.lease_ms, self.batch,
            SuspectTurn(self.board, self.batch), self.runner.complete, self.tail, self.heard.woken,
        )  # fmt: skip
        self.wake_trip = None if address.cluster or config.patterns else WakeTrip(self.exchanger)
        self.wake_wait = self._wake_wait(address, queues)
        self.offering = Offering(app.registry, config.lease_ms)
        self.statistics = JobStatistics(
            self.runner.classifier, lambda: self.batch.running, self.exchanger.ask, self.rng
        )
        self.hook_queue = HookQueue(app, self.exchanger, process.interrupter, self.board, self.rng)

    def _wake_wait(self, address: Address, named: Sequence[str]) -> WakeWait:
        process, config = self.process, self.config
        lines = token_lines(
            address, config.worker_id, named, lambda: self.exchanger.order.queues, config.patterns, self.heard,
            self.exchanger.nodes, self.wake_trip,
        )  # fmt: skip
        return WakeWait(
            lines, process.channel, process.signals.wakeup,
            # Else a server that was demoted goes on to say that there is no news.
            when_moved=lambda: self.exchanger.between_trips(Store.close),
            when_left=self.exchanger.fast.begin_anew,  # puts the token back
        )  # fmt: skip

    def _note_ends(self, is_wanted: bool) -> None:
        self.job_log.note_ends(self.tail.note if is_wanted else None)

    def parts(self) -> WorkerParts:
        """Return them all."""
        grants = MemoryGrants(
            self.process.instructions, self.wake_wait, self.runner.classifier, self.rng, jitter=self.config.jitter
        )  # fmt: skip
        make = self._one_slot if self.config.concurrency == 1 else self._several_slots
        fetching, executor, monitor = make(grants)
        return WorkerParts(
            config=self.config, app=self.app, rng=self.rng,
            store=self.store, board=self.board, channel=self.process.channel, wake_wait=self.wake_wait,
            wake_trip=self.wake_trip,
            signals=self.process.signals, instructions=self.process.instructions,
            loaded_files=self.process.loaded_files, surroundings=self.process.surroundings,
            own_memory=OwnMemory(self.board, self.process.channel),
            batch=self.batch, exchanger=self.exchanger, fetching=fetching,
            runner=self.runner, executor=executor, monitor=monitor, hook_queue=self.hook_queue,
            life_hooks=LifeHooks(self.app.registry.app_hooks, self.process.interrupter),
            statistics=self.statistics, tail=self.tail, offering=self.offering, turning=self._turning(),
        )  # fmt: skip

    def _turning(self) -> Turning | None:
        order = self.exchanger.order
        if not isinstance(order, Turns):
            return None
        return Turning(
            self.config.choice, order, self.exchanger, self.batch, self.board.turns, self.offering, self.heard.called,
            self.config.worker_id, self.config.lease_ms,
        )  # fmt: skip

    @property
    def _most(self) -> int:
        """Jobs of one trip."""
        return int(min(self.config.batch, self.exchanger.order.most_in_a_row))

    def _one_slot(self, grants: MemoryGrants) -> tuple[Fetching, Executor, Monitor]:
        config, interrupter = self.config, self.process.interrupter
        fetching = OneSlot(self.batch, self.exchanger, self.hook_queue, prefetch_ms=config.prefetch_ms, most=self._most)
        executor = MainThread(
            self.batch, self.runner, self.process.signals, grants.refusal,
            self.process.surroundings, interrupter.event_loop, self.job_log, self.statistics,
        )  # fmt: skip
        return fetching, executor, self._monitor(interrupter, None)

    def _several_slots(self, grants: MemoryGrants) -> tuple[Fetching, Executor, Monitor]:
        config, slots = self.config, self.config.concurrency
        fetching = SeveralSlots(self.batch, self.exchanger, slots, prefetch_ms=config.prefetch_ms, most=self._most)
        pool = Pool(
            slots, self.batch, self.runner, self.attempts.on_threads, self.process.signals, grants.refusal,
            self.attempts.loop_thread, config.hung_after_ms, self.job_log, self.statistics,
        )  # fmt: skip
        return fetching, pool, self._monitor(pool, pool)

    def _monitor(self, interrupter: JobInterrupter, slots: SlotInterrupter | None) -> Monitor:
        return Monitor(
            batch=self.batch, board=self.board, exchanger=self.exchanger, signals=self.process.signals,
            notes=self.notes, statistics=self.statistics, tail=self.tail, interrupter=interrupter, slots=slots,
            look_every_s=self.look_every_s, prefetch_ms=self.config.prefetch_ms,
            hung_after_ms=self.config.hung_after_ms,
        )  # fmt: skip
