"""Makes the parts of one daemon by hand, puts them together, and starts those that have threads of their own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from threading import Thread

import click

from jqjobs.base import log
from jqjobs.base.children import Children
from jqjobs.base.config import Environment
from jqjobs.base.process import host_name
from jqjobs.daemon.alerts.delivery import tellers
from jqjobs.daemon.alerts.thread import AlertThread
from jqjobs.daemon.control.listener import ControlListener
from jqjobs.daemon.controls import Controls
from jqjobs.daemon.deploys.host_lock import HostLock
from jqjobs.daemon.deploys.release import Release
from jqjobs.daemon.deploys.reload import Reload
from jqjobs.daemon.deploys.source_changes import SourceChanges
from jqjobs.daemon.deploys.watched_files import WatchedFiles
from jqjobs.daemon.deploys.watcher import SourceWatcher
from jqjobs.daemon.ending import Ending, drain_s
from jqjobs.daemon.health.probes import HealthServer
from jqjobs.daemon.host_check import pod_note, stop_wait_complaint, unit_complaint
from jqjobs.daemon.host_facts import HostFacts
from jqjobs.daemon.leases.thread import LeaseThread
from jqjobs.daemon.memory.free_memory import FreeMemory
from jqjobs.daemon.memory.guard import MemoryGuard
from jqjobs.daemon.notify import Notifier
from jqjobs.daemon.output.relay import Relay
from jqjobs.daemon.scaler import Scaler
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.shown_state import ShownState
from jqjobs.daemon.signals import SignalInbox
from jqjobs.daemon.supervisor import Parts, Supervisor
from jqjobs.daemon.worker_lifecycle import Handover, WorkerLifecycle
from jqjobs.daemon.workers.dumps import Dumps
from jqjobs.daemon.workers.lost_boards import LostBoards
from jqjobs.daemon.workers.outbox_relay import OutboxRelay
from jqjobs.daemon.workers.runtime import runtime_directory
from jqjobs.daemon.workers.spawn import Configure
from jqjobs.daemon.workers.suspect_takers import SuspectTakers
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.embedded import EmbeddedServer
from jqjobs.errors import JqError
from jqjobs.link.relay_config import RelayConfig
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.store.address import Address
from jqjobs.store.login import address_of
from jqjobs.store.store import Store

_ALERTS_TIMEOUT_S = 5.0
#: Reads the settings anew.
Reread = Callable[[], DaemonSettings]


@dataclass(frozen=True, slots=True)
class Boot:
    """What a daemon begins with. ``handover``: of the image before this one, if there was one."""

    settings: DaemonSettings
    release: Release
    reread: Reread
    signals: SignalInbox
    embedded: EmbeddedServer | None
    handover: Handover | None
    relay: Relay

    @property
    def redis_url(self) -> str:
        """Where Redis is."""
        return self.embedded.url if self.embedded else self.settings.redis_url

    def children(self) -> Children:
        """Return what knows the processes that other threads wait for, with the embedded server."""
        return Children([self.embedded.pid] if self.embedded and self.embedded.pid else ())

    @property
    def address(self) -> Address:
        """Redis, with who we are there. Raises: ConfigError."""
        return address_of(self.redis_url, Environment(directory=self.release.directory))


def wire(boot: Boot, threads: ExitStack) -> Supervisor:
    """Make a daemon; the threads that it starts end with ``threads``. Raises: ConfigError and its kin."""
    parts = _make_parts(boot)
    _start_threads(boot, parts, threads)
    return Supervisor(boot.settings, parts)


def _make_parts(boot: Boot) -> Parts:
    settings, release, wake = boot.settings, boot.release, boot.signals.wakeup.ring
    address = boot.address
    _say_start(settings, address)
    make_directory = partial(runtime_directory, address, settings.runtime_dir)
    boards = make_directory()
    daemon_id = f"{host_name()}:{os.getpid()}:{secrets.token_hex(4)}"
    store = Store(address, timeout_s=max(0.3, min(3.0, settings.lease_s / 6)), name=f"jqd-{settings.name}")
    leases = LeaseThread(settings, daemon_id, store, boards, wake)
    workers = WorkerProcesses(
        daemon_id, boards, _worker_config(settings, boot.redis_url), release.directory, boot.relay
    )
    have_changed = _comparison(settings, release, boot.reread)
    source_changes = SourceChanges(Reload(workers), WatchedFiles(release), HostLock(boards), have_changed, wake)
    memory = MemoryGuard(workers, FreeMemory(), settings.memory_reserve, settings.max_rss)
    lifecycle = WorkerLifecycle(settings, workers, leases, memory, source_changes)
    if boot.handover is not None:
        lifecycle.inherit(boot.handover)
    notifier, relay, host_facts = Notifier(), _outbox_relay(boot, workers), HostFacts(boards, FreeMemory())
    ending = Ending(settings, workers, source_changes, notifier, leases.submit)
    shown_state = ShownState(
        settings, workers, lifecycle, leases, memory, source_changes, ending, notifier, host_facts, relay
    )
    controls = Controls(lifecycle, source_changes, Dumps(workers), ending, notifier, shown_state)
    return Parts(
        boot.signals, ControlListener(daemon_id, address, wake), controls, workers, leases, memory,
        Scaler(settings, lifecycle, workers, leases, memory, source_changes),
        SuspectTakers(workers, boards), LostBoards(workers, make_directory, source_changes.reload.add),
        relay, boot.children(),
    )  # fmt: skip


def _outbox_relay(boot: Boot, workers: WorkerProcesses) -> OutboxRelay:
    settings, directory = boot.settings, boot.release.directory

    def configure(channel_fd: int) -> str:
        return RelayConfig(
            app=settings.app, redis_url=boot.redis_url, daemon_pid=os.getpid(), channel_fd=channel_fd,
            poll_s=settings.poll_s, jitter=settings.jitter, log_format=settings.log_format,
            log_level=settings.log_level,
        ).to_json()  # fmt: skip

    is_told = Environment(directory=directory).get("database_url") is not None
    return OutboxRelay(workers, configure, directory, boot.relay.pipes, is_told=is_told)


def _say_start(settings: DaemonSettings, address: Address) -> None:
    log.event(
        "daemon.started", name=settings.name, redis=str(address), app=settings.app, processes=str(settings.processes)
    )
    if address.is_unverified:
        log.event("redis.unverified", level=log.WARNING, redis=str(address))


def _start_threads(boot: Boot, parts: Parts, threads: ExitStack) -> None:
    settings = boot.settings
    if settings.health:
        health = HealthServer(settings.health, parts.controls.shown_state.health)
        health.start()
        threads.callback(health.close)
    if settings.watch != "off":
        _start_watcher(settings, parts.controls.source_changes, threads)
    _start_host_check(settings, parts.controls.shown_state.host_facts)
    _start_alerts(boot, parts.children, threads)
    parts.listener.start()
    threads.callback(parts.listener.end)
    parts.leases.start()  # the supervisor ends it, once the last worker has ended


def _worker_config(settings: DaemonSettings, url: str) -> Configure:
    def configure(worker_id: str, board: str, channel_fd: int) -> str:
        return WorkerConfig(
            app=settings.app, redis_url=url, worker_id=worker_id, board=board, channel_fd=channel_fd,
            daemon_pid=os.getpid(), queues=settings.queues.names, weights=settings.queues.weights,
            patterns=settings.queues.patterns, lease_ms=settings.lease_ms, poll_s=settings.poll_s,
            jitter=settings.jitter, batch=settings.batch, prefetch_ms=settings.prefetch_ms,
            max_jobs=settings.max_jobs, max_age_s=settings.max_age_s,
            nice=settings.nice, watch_packages=settings.watch_packages,
            log_format=settings.log_format, log_level=settings.log_level, log_jobs_ms=settings.log_jobs_ms,
            job_log=settings.job_log, error_log=settings.error_log,
            concurrency=settings.concurrency, kill_after_s=settings.kill_after_s,
            park_ms=round(settings.park_s * 1000),
        ).to_json()  # fmt: skip

    return configure


def _start_watcher(settings: DaemonSettings, source_changes: SourceChanges, threads: ExitStack) -> None:
    source_changes.files.watcher = watcher = SourceWatcher(source_changes.heard_change, mode=settings.watch)
    source_changes.files.watch_own()
    watcher.start()
    threads.callback(watcher.end)


def _start_alerts(boot: Boot, children: Children, threads: ExitStack) -> None:
    if told := tellers(boot.settings, children.start):
        alerts = AlertThread(boot.settings, Store(boot.address, timeout_s=_ALERTS_TIMEOUT_S, name="jqd-alerts"), told)
        alerts.start()
        threads.callback(alerts.end)


def _start_host_check(settings: DaemonSettings, host_facts: HostFacts) -> None:
    """Say, once it is known, that whoever supervises us will not wait for a drain; it may take a second to answer."""

    def check() -> None:
        for complain in (stop_wait_complaint, unit_complaint):
            if complaint := complain(os.environ, drain_s(settings)):
                log.event("daemon.stop_wait", level=log.WARNING, message=complaint)
                host_facts.tell_stop_complaint(complaint)
        if note := pod_note(os.environ, settings.grace_s + settings.kill_after_s):
            log.event("daemon.pod_grace", message=note)

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
