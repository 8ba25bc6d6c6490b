"""All that one worker is made of, by name; see `worker.worker_wiring`."""

from __future__ import annotations

import random
from dataclasses import dataclass

from jqjobs.api.app import App
from jqjobs.link.channel import Channel
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.store.store import Store
from jqjobs.worker.attempts.hook_calls import HookQueue
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.life_hooks import LifeHooks
from jqjobs.worker.life.loaded_files import LoadedFiles
from jqjobs.worker.life.own_memory import OwnMemory
from jqjobs.worker.life.surroundings import Surroundings
from jqjobs.worker.life.worker_signals import Signals
from jqjobs.worker.slots.executor import Executor
from jqjobs.worker.slots.job_statistics import JobStatistics
from jqjobs.worker.slots.monitor import Monitor
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.fetching import Fetching
from jqjobs.worker.trips.offering import Offering
from jqjobs.worker.trips.tail import Tail
from jqjobs.worker.trips.turning import Turning
from jqjobs.worker.trips.wake_trip import WakeTrip
from jqjobs.worker.trips.wake_wait import WakeWait


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """The parts that start, run and end a worker; each has one owner of its state."""

    config: WorkerConfig
    app: App
    rng: random.Random
    store: Store
    board: WorkerBoard
    channel: Channel
    signals: Signals
    instructions: Instructions
    surroundings: Surroundings
    loaded_files: LoadedFiles
    own_memory: OwnMemory
    batch: Batch
    exchanger: Exchanger
    fetching: Fetching
    wake_wait: WakeWait
    wake_trip: WakeTrip | None
    runner: Runner
    executor: Executor
    life_hooks: LifeHooks
    monitor: Monitor
    hook_queue: HookQueue
    statistics: JobStatistics
    tail: Tail
    offering: Offering
    turning: Turning | None
