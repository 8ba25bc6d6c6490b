"""Runs one daemon from its boot to its end, and puts its new image in its place when it asks for that."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

from jqjobs.base import log
from jqjobs.base.config import dotenv_of, working_directory
from jqjobs.base.imports import require_module
from jqjobs.base.job_files import write_jobs
from jqjobs.daemon.deploys.new_image import command_of
from jqjobs.daemon.deploys.release import Release
from jqjobs.daemon.output.relay import Relay
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.signals import SignalInbox
from jqjobs.daemon.wiring import Boot, Reread, wire
from jqjobs.daemon.worker_lifecycle import Handover
from jqjobs.embedded import EmbeddedServer, is_embedded
from jqjobs.link.exits import DaemonExit

#: Tells a new image what the one before it was told. Not for workers, so it is taken out at once.
_HANDOVER = "JQ_HANDOVER"


def run_daemon(settings: DaemonSettings, release: Release, reread: Reread) -> int:
    """Run one daemon in its release directory; return its exit code. Raises: ConfigError and its kin, at boot."""
    if _HANDOVER not in os.environ:  # who worked before waits for a module that comes back
        require_module(settings.app, str(release.directory))
    signals = SignalInbox()
    signals.install()
    who = f"jqd:{os.getpid()}"
    log.configure(who, form=settings.log_format, level=settings.log_level)
    write_jobs(who, form=settings.log_format, job_log=settings.job_log, error_log=settings.error_log)
    if (dotenv := dotenv_of(working_directory())) is not None:
        log.event("dotenv.read", path=str(dotenv))
    embedded = EmbeddedServer.ensure(settings.redis_url, working_directory(), pause=signals.wait_for_end)
    if embedded is None and is_embedded(settings.redis_url):
        return DaemonExit.ORDERLY  # a signal ended the boot
    try:
        with ExitStack() as threads:
            relay = threads.enter_context(Relay(who, settings.log_format))
            supervisor = wire(Boot(settings, release, reread, signals, embedded, _take_handover(), relay), threads)
            code = supervisor.run()
    finally:
        if embedded:
            embedded.stop()
    return _replace_image(release, signals, supervisor.handover()) if supervisor.wants_exec else code


def _take_handover() -> Handover | None:
    handover = os.environ.pop(_HANDOVER, "")
    return Handover.from_json(handover) if handover else None


def _replace_image(release: Release, signals: SignalInbox, handover: Handover) -> int:
    """Execute the new daemon under the same pid: whoever supervises us sees no end.

    Signals stay blocked until the new image has its handlers (exec keeps the mask), so that none of them kills it
    half-way or is lost. Returns only when that is not possible, or not wanted any more.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if signals.asks_for_end:
        return DaemonExit.ORDERLY  # it came just before
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # what is ignored stays so over exec too
    command = command_of(release)
    try:
        os.chdir(release.directory)
        os.execve(command[0], command, {**os.environ, _HANDOVER: handover.to_json()})
    except OSError as error:
        log.event(
            "daemon.not_replaced", level=log.CRITICAL, error=str(error), hint="whoever supervises it starts it anew"
        )
    return DaemonExit.TEMPORARY
