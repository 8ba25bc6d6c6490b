"""``python -m jqjobs.worker``: boots one worker. Started by `jqd` only.

Boot: die with the daemon · signals · load the app and begin with it · tell the daemon "ready" and hear "go" · loop.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path

from jqjobs.base import log
from jqjobs.base.config import Environment, use_redis
from jqjobs.base.process import MORE_PROCESSES, has_no_threads
from jqjobs.errors import StoreRefused
from jqjobs.link.channel import Channel
from jqjobs.link.exits import WorkerExit
from jqjobs.link.stacks import Stacks
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.life.boot import (
    describe_failure,
    keep_what_is_loaded,
    limit_threads,
    load_registered,
    refuse_green_threads,
)
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.joining import join
from jqjobs.worker.life.loaded_files import LoadedFiles
from jqjobs.worker.life.output import print_lines
from jqjobs.worker.life.parent import die_with
from jqjobs.worker.life.parts import WorkerParts
from jqjobs.worker.life.same_redis import enqueue_where_we_work
from jqjobs.worker.life.surroundings import Surroundings
from jqjobs.worker.life.worker_log import WorkerLog
from jqjobs.worker.life.worker_signals import Signals
from jqjobs.worker.loop import Loop
from jqjobs.worker.worker_wiring import WorkerProcess, redis_of, wire

#: Thousandths of all memory that a worker counts as larger than it is. Who takes a fifth more still goes first.
_OOM_SCORE_ADDED = 200


def main() -> int:
    """Run one worker as its daemon configured it."""
    config = WorkerConfig.from_json(os.environ.pop("JQ_WORKER"))
    _prepare_for_jobs(config)
    environment = Environment()  # before the app can change the working directory
    stacks = Stacks(Path(config.board))
    worker_log = WorkerLog(config)
    worker_log.start()
    interrupter = Interrupter(again_ms=config.hung_after_ms)
    signals = Signals(interrupter)
    signals.install()
    if not die_with(config.daemon_pid):
        return WorkerExit.ORPHANED
    _go_first_when_memory_ends()
    process = _make_process(config, environment, stacks, signals, interrupter)
    parts = _load(process)
    if parts is None:
        return WorkerExit.BAD_APP
    process.surroundings.keep()
    keep_what_is_loaded()
    worker_log.take_app_lines()
    signals.loading = False
    process.channel.send("loaded")
    process.loaded_files.report(process.channel)
    return _work(parts)


def _prepare_for_jobs(config: WorkerConfig) -> None:
    use_redis(config.redis_url)  # what jobs enqueue goes where their worker takes from
    os.environ["JQ_ENGINE"] = "redis"
    print_lines()
    os.nice(config.nice)


def _go_first_when_memory_ends() -> None:
    """Have the kernel kill workers, and what jobs start, before their daemon and before the neighbours of both.

    A job can run again. Raising it needs no privilege: proc_pid_oom_score_adj(5).
    """
    place = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError, ValueError):
        place.write_text(str(min(1000, int(place.read_text()) + _OOM_SCORE_ADDED)))


def _make_process(
    config: WorkerConfig, environment: Environment, stacks: Stacks, signals: Signals, interrupter: Interrupter
) -> WorkerProcess:  # fmt: skip
    """Return what there is before the app is loaded; what is changed around jobs is noticed from now on."""
    channel = Channel(socket.socket(fileno=config.channel_fd))
    instructions = Instructions(channel, signals)
    surroundings = Surroundings(signals, instructions, stacks, has_one_slot=config.concurrency == 1)
    surroundings.watch()
    return WorkerProcess(
        config=config, environment=environment, channel=channel, signals=signals, interrupter=interrupter,
        instructions=instructions,
        surroundings=surroundings, loaded_files=LoadedFiles(packages=config.watch_packages),
    )  # fmt: skip


def _load(process: WorkerProcess) -> WorkerParts | None:
    """Return the worker with its app begun, or None once the daemon has been told why it does not load."""
    try:
        app = load_registered(process.config.app, process.config.queues or process.config.patterns)
        refuse_green_threads(process.config.concurrency)
        enqueue_where_we_work(app, redis_of(process, app))
        parts = wire(process, app)
        parts.life_hooks.start()
        return parts
    except BaseException as error:  # anything may come out of user modules, SystemExit included
        error_text = describe_failure(error)
        log.event("app.failed", level=log.ERROR, app=process.config.app, error=error_text)
        process.loaded_files.report_failure(process.channel, error)
        process.channel.send("failed", error=error_text)
        return None


def _work(parts: WorkerParts) -> WorkerExit:
    try:
        joined = join(parts)
    except StoreRefused as error:
        parts.channel.send("failed", error=error.in_one_line())
        parts.life_hooks.stop()
        return WorkerExit.REFUSED
    if not joined:
        parts.life_hooks.stop()
        return WorkerExit.ORPHANED if parts.channel.closed else WorkerExit.DRAINED
    parts.monitor.start()
    ending = Loop(parts).run()
    log.event("worker.ended", worker=parts.config.worker_id, reason=ending.name.lower())
    return ending


if __name__ == "__main__":
    try:
        code = main()
    except Exception as error:
        if has_no_threads(error):
            log.event("worker.not_started", level=log.ERROR, error=str(error), hint=MORE_PROCESSES)
        else:
            log.event("worker.crashed", level=log.CRITICAL, exc_info=True)
        code = WorkerExit.INTERNAL
    limit_threads(code)
    sys.exit(code)
