"""Wires the parts of one daemon by hand, runs it, and puts its new image in its place when it asks for that."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread

import click

from jqjobs.base import log
from jqjobs.base.config import working_directory
from jqjobs.base.process import host_name
from jqjobs.daemon.control.executor import Remote
from jqjobs.daemon.control.listener import ControlListener
from jqjobs.daemon.deploys.host_lock import HostLock
from jqjobs.daemon.deploys.release import Release
from jqjobs.daemon.deploys.reload import Reload
from jqjobs.daemon.deploys.source_changes import SourceChanges, command_of
from jqjobs.daemon.deploys.watcher import SourceWatcher
from jqjobs.daemon.health.probes import HealthServer
from jqjobs.daemon.host_check import stop_wait_complaint
from jqjobs.daemon.leases.thread import LeaseThread
from jqjobs.daemon.memory.guard import MemoryGuard
from jqjobs.daemon.memory.probe import MemoryProbe
from jqjobs.daemon.notify import Notifier
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.signals import SignalInbox
from jqjobs.daemon.supervisor import Parts, Supervisor, drain_s
from jqjobs.daemon.worker_lifecycle import Handover
from jqjobs.daemon.workers.runtime import runtime_directory
from jqjobs.daemon.workers.worker_processes import Configure, WorkerProcesses
from jqjobs.embedded import EmbeddedServer, is_embedded
from jqjobs.errors import JqError
from jqjobs.link.exits import DaemonExit
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.store.address import parse_url
from jqjobs.store.store import Store

#: Tells a new image what the one before it was told. Not for workers, so it is taken out at once.
_HANDOVER = "JQ_HANDOVER"
#: Reads the settings anew.
Reread = Callable[[], DaemonSettings]


def run_daemon(settings: DaemonSettings, release: Release, reread: Reread) -> int:
    """Run one daemon in its release directory; return its exit code. Raises: ConfigError and its kin, at boot."""
    signals = SignalInbox()
    signals.install()
    log.configure(f"jqd:{os.getpid()}", form=settings.log_format, level=settings.log_level)
    embedded = EmbeddedServer.ensure(settings.redis_url, working_directory(), pause=signals.wait_for_end)
    if embedded is None and is_embedded(settings.redis_url):
        return DaemonExit.ORDERLY  # a signal ended the boot
    try:
        with ExitStack() as threads:
            supervisor = _wire(settings, embedded, signals, release, reread, threads)
            code = supervisor.run()
    finally:
        if embedded:
            embedded.stop()
    return _replace_image(release, signals, supervisor.handover()) if supervisor.wants_exec else code


def _wire(
    settings: DaemonSettings, embedded: EmbeddedServer | None, signals: SignalInbox, release: Release, reread: Reread,
    threads: ExitStack,
) -> Supervisor:  # fmt: skip
    """Make the parts of a daemon; those with threads of their own are started, and end with ``threads``."""
    url = embedded.url if embedded else settings.redis_url
    address = parse_url(url)
    log.event("daemon.started", name=settings.name, redis=str(address), app=settings.app, processes=settings.processes)
    boards = runtime_directory(address, settings.runtime_dir)
    daemon_id = f"{host_name()}:{os.getpid()}:{secrets.token_hex(4)}"
    store = Store(address, timeout_s=max(0.3, min(3.0, settings.lease_s / 6)), name=f"jqd-{settings.name}")
    leases = LeaseThread(settings, daemon_id, store, boards, signals.wakeup.ring)
    workers = WorkerProcesses(daemon_id, boards, _worker_config(settings, url), release.directory)
    source_changes = SourceChanges(
        Reload(workers), release, HostLock(boards), _comparison(settings, release, reread), signals.wakeup.ring
    )
    memory = MemoryGuard(workers, MemoryProbe(), settings.memory_reserve, settings.max_rss)
    listener = ControlListener(daemon_id, address, signals.wakeup.ring)
    others = frozenset([embedded.pid]) if embedded and embedded.pid else frozenset()
    parts = Parts(leases, signals, workers, Notifier(), memory, source_changes, Remote(listener), others)
    handover = os.environ.pop(_HANDOVER, "")
    supervisor = Supervisor(settings, parts, Handover.from_json(handover) if handover else None)
    if settings.health:
        health = HealthServer(settings.health, supervisor.health)
        health.start()
        threads.callback(health.close)
    if settings.watch != "off":
        _start_watcher(settings, source_changes, threads)
    _start_host_check(settings)
    listener.start()
    threads.callback(listener.end)
    leases.start()  # the supervisor ends it, once the last worker is buried
    return supervisor


def _worker_config(settings: DaemonSettings, url: str) -> Configure:
    def configure(worker_id: str, board: str, channel_fd: int) -> str:
        return WorkerConfig(
            settings.app, url, worker_id, board, channel_fd, os.getpid(), settings.queues, settings.lease_ms,
            settings.poll_s, settings.jitter, settings.batch, settings.prefetch_ms, settings.max_jobs,
            settings.max_age_s, settings.nice, settings.watch_packages, settings.log_format, settings.log_level,
            settings.concurrency, settings.kill_after_s,
        ).to_json()  # fmt: skip

    return configure


def _start_watcher(settings: DaemonSettings, source_changes: SourceChanges, threads: ExitStack) -> None:
    source_changes.watcher = watcher = SourceWatcher(source_changes.heard_change, mode=settings.watch)
    source_changes.watch_own()
    watcher.start()
    threads.callback(watcher.end)


def _start_host_check(settings: DaemonSettings) -> None:
    """Say, once it is known, that whoever supervises us will not wait for a drain; it may take a second to answer."""

    def check() -> None:
        if complaint := stop_wait_complaint(os.environ, drain_s(settings)):
            log.event("daemon.stop_wait", level=30, message=complaint)

    Thread(target=check, name="jqjobs-host-check", daemon=True).start()


def _comparison(settings: DaemonSettings, release: Release, reread: Reread) -> Callable[[], bool]:
    """Return a function that says whether the settings differ by now; it raises ValueError when they are wrong."""

    def have_changed() -> bool:
        try:
            os.chdir(release.directory)  # where the links lead now
            return reread() != settings
        except JqError as error:
            raise ValueError(error.in_one_line()) from error
        except click.ClickException as error:
            raise ValueError(error.format_message()) from error
        except OSError as error:
            raise ValueError(f"{release.directory} cannot be entered: {error.strerror}") from error

    return have_changed


def _replace_image(release: Release, signals: SignalInbox, handover: Handover) -> int:
    """Execute the new daemon under the same pid: whoever supervises us sees no end.

    Signals stay blocked until the new image has its handlers (exec keeps the mask), so that none of them kills it
    half-way or is lost. Returns only when that is not possible, or not wanted any more.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT} & set(signals.take()):
        return DaemonExit.ORDERLY  # it came just before
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # what is ignored stays so over exec too
    command = command_of(release)
    try:
        os.chdir(release.directory)
        os.execve(command[0], command, {**os.environ, _HANDOVER: handover.to_json()})
    except OSError as error:
        log.event("daemon.not_replaced", level=50, error=str(error), hint="whoever supervises it starts it anew")
    return DaemonExit.TEMPORARY
