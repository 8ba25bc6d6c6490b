"""``python -m jqjobs.worker``: boots one worker and wires its parts. Started by `jqd` only.

Boot: die with the daemon · signals · load the app · tell the daemon "ready" and hear "go" · loop.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sys
from pathlib import Path
from typing import Any

from jqjobs.api.app import App
from jqjobs.base import log
from jqjobs.errors import StoreError, StoreRefused
from jqjobs.jobs.backoff import reconnect_delay_s
from jqjobs.jobs.context import tag_of_running_job
from jqjobs.link.channel import Channel
from jqjobs.link.exits import WorkerExit
from jqjobs.link.stacks import register_stacks
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.store.address import parse_url
from jqjobs.store.calls import leases, schedules
from jqjobs.store.store import Store
from jqjobs.store.wire import Wire
from jqjobs.worker.attempts.hook_calls import HookQueue
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.attempts.note_writer import NoteWriter
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.attempts.thread_interrupt import ThreadInterrupter
from jqjobs.worker.life.boot import describe_failure, limit_threads, load_registered
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.loaded_files import LoadedFiles
from jqjobs.worker.life.memory_grants import MemoryGrants
from jqjobs.worker.life.own_memory import OwnMemory
from jqjobs.worker.life.parent import die_with
from jqjobs.worker.life.worker_signals import Signals
from jqjobs.worker.loop import Loop
from jqjobs.worker.slots.executor import MainThread
from jqjobs.worker.slots.monitor import Monitor
from jqjobs.worker.slots.pool import Pool
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.wake_wait import WakeWait

#: Thousandths of all memory that a worker counts as larger than it is. Who takes a fifth more still goes first.
_OOM_SCORE_ADDED = 200
#: What jobs say of themselves holds up their worker for so long at most.
_NOTES_TIMEOUT_S = 1.0


def main() -> int:
    """Run one worker as its daemon configured it."""
    config = WorkerConfig.from_json(os.environ.pop("JQ_WORKER"))
    os.environ["JQ_REDIS_URL"] = config.redis_url  # what jobs enqueue goes where their worker takes from
    os.environ["JQ_ENGINE"] = "redis"
    register_stacks(Path(config.board))
    who = f"worker:{os.getpid()}"
    log.configure(who, form=config.log_format, level=config.log_level)
    interrupter = Interrupter()
    signals = Signals(interrupter)
    signals.install()
    if not die_with(config.daemon_pid):
        return WorkerExit.ORPHANED
    os.nice(config.nice)
    _go_first_when_memory_ends()
    channel = Channel(socket.socket(fileno=config.channel_fd))
    loaded_files = LoadedFiles(packages=config.watch_packages)
    try:
        app = load_registered(config.app)
    except BaseException as error:  # anything may come out of user modules, SystemExit included
        error_text = describe_failure(error)
        log.event("app.failed", level=40, app=config.app, error=error_text)
        loaded_files.report_failure(channel, error)
        channel.send("failed", error=error_text)
        return WorkerExit.BAD_APP
    log.take_app_lines(who, tag_of_running_job, form=config.log_format, level=config.log_level)
    signals.loading = False
    channel.send("loaded")
    loaded_files.report(channel)
    return _work(config, app, channel, signals, interrupter, loaded_files)


def _go_first_when_memory_ends() -> None:
    """Have the kernel kill workers, and what jobs start, before their daemon and before the neighbours of both.

    A job can run again. Raising it needs no privilege: proc_pid_oom_score_adj(5).
    """
    place = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError, ValueError):
        place.write_text(str(min(1000, int(place.read_text()) + _OOM_SCORE_ADDED)))


def _work(
    config: WorkerConfig,
    app: App,
    channel: Channel,
    signals: Signals,
    interrupter: Interrupter,
    loaded_files: LoadedFiles,
) -> int:
    rng = random.Random()
    address = parse_url(config.redis_url)
    queues = list(config.queues) or app.registry.queues()
    store = Store(address, name=config.worker_id)
    board = WorkerBoard(Path(config.board))
    instructions = Instructions(channel)
    wake_wait = WakeWait(Wire(address, name=config.worker_id), queues, channel, signals.wakeup)
    try:
        joined = _join(config, app, queues, store, instructions, signals, wake_wait, rng)
    except StoreRefused as error:
        channel.send("failed", error=error.in_one_line())
        return WorkerExit.REFUSED
    if not joined:
        return WorkerExit.ORPHANED if channel.closed else WorkerExit.DRAINED
    batch = Batch(board)
    slots = config.concurrency
    notes = NoteWriter(Store(address, timeout_s=_NOTES_TIMEOUT_S, name=config.worker_id), config.worker_id, slots)
    on_threads = ThreadInterrupter(lambda: interrupter.in_child)
    runner = Runner(app, config.worker_id, interrupter if slots == 1 else on_threads, rng, notes)
    exchanger = Exchanger(store, queues, config.worker_id, config.lease_ms, batch, runner.complete)
    own_memory = OwnMemory(board, channel)
    hook_queue = HookQueue(app, exchanger, interrupter, board, rng)
    memory_grants = MemoryGrants(instructions, wake_wait, runner, rng, jitter=config.jitter)
    executor: MainThread | Pool
    if slots == 1:
        executor = MainThread(batch, runner, signals, memory_grants.refusal)
    else:
        executor = Pool(slots, batch, runner, on_threads, signals, memory_grants.refusal)
    pool = executor if isinstance(executor, Pool) else None
    Monitor(
        batch, board, exchanger, pool or interrupter, signals, config.prefetch_ms, notes, pool, config.kill_after_s
    ).start()
    loop = Loop(
        config,
        board,
        instructions,
        signals,
        batch,
        exchanger,
        executor,
        runner,
        hook_queue,
        wake_wait,
        rng,
        own_memory,
        loaded_files,
    )
    ending = loop.run()
    log.event("worker.ended", worker=config.worker_id, reason=ending.name.lower())
    return ending


def _join(
    config: WorkerConfig, app: App, queues: list[str], store: Store, instructions: Instructions, signals: Signals,
    wake_wait: WakeWait, rng: random.Random,
) -> bool:  # fmt: skip
    """Publish the catalog, tell the daemon, and wait until it holds a lease for us; False: told to end before.

    Raises: StoreRefused. Any other trouble with Redis is waited out.
    """
    catalog, plans = app.registry.catalog(), app.schedules.entries(queues)
    names = [*catalog, *(schedules.offer(queue, name) for queue, plan in plans.items() for name in plan)]
    failures = 0
    while not signals.draining and not instructions.channel.closed:
        error = _publish(store, queues, config.lease_ms, catalog, plans)
        if error is None:
            instructions.channel.send(
                "ready", queues=queues, names=names, unserved=[q for q in app.registry.queues() if q not in queues]
            )
            return _wait_for_go(instructions, signals, wake_wait)
        if failures == 0:
            log.event("redis.lost", level=30, error=str(error), worker=config.worker_id)
        failures += 1
        wake_wait.wait(reconnect_delay_s(failures, rng), for_token=False)
        instructions.hear()
    return False


def _publish(
    store: Store, queues: list[str], lease_ms: int, catalog: dict[str, dict[str, Any]], plans: dict[str, dict[str, str]]
) -> StoreError | None:
    """Publish what the app offers: any registered job may come from any queue, see `Job.options`; and its schedules."""
    try:
        for queue in queues:
            store.run(leases.publish(queue, lease_ms, catalog))
        for queue, plan in plans.items():
            store.run(schedules.plan(queue, lease_ms, plan))
    except StoreRefused:
        raise
    except StoreError as error:
        return error
    return None


def _wait_for_go(instructions: Instructions, signals: Signals, wake_wait: WakeWait) -> bool:
    while not signals.draining and not instructions.channel.closed:
        instructions.hear()
        if instructions.may_begin:
            return True
        wake_wait.wait(5.0, for_token=False)
    return False


if __name__ == "__main__":
    try:
        code = main()
    except Exception:
        log.event("worker.crashed", level=50, exc_info=True)
        code = WorkerExit.INTERNAL
    limit_threads(code)
    sys.exit(code)
