"""`jqd`: the worker daemon. Reads the settings, wires the parts, runs the supervisor."""

from __future__ import annotations

import os
import secrets
import sys
from typing import Any

import click

from jqjobs import log
from jqjobs.clock import duration_ms
from jqjobs.config import Environment, working_directory
from jqjobs.daemon.crew import Crew
from jqjobs.daemon.leases import LeaseKeeper
from jqjobs.daemon.notify import Notifier
from jqjobs.daemon.runtime import runtime_directory
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.signals import SignalInbox
from jqjobs.daemon.supervisor import Supervisor
from jqjobs.embedded import EmbeddedServer, is_embedded
from jqjobs.errors import InvalidOption, JqError
from jqjobs.exits import DaemonExit
from jqjobs.process import host_name
from jqjobs.store.address import parse_url
from jqjobs.store.store import Store
from jqjobs.version import __version__
from jqjobs.worker.config import WorkerConfig


def _span_s(text: str) -> float:
    return duration_ms(text) / 1000


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise InvalidOption("it names no queue")
    return names


#: Setting → (how its text is read, metavar, help). The flag is --x-y, the variable JQ_X_Y.
OPTIONS: dict[str, tuple[Any, str, str]] = {
    "app": (str, "MODULE:ATTR", "The app, such as shop.app:app."),
    "queues": (_names, "A,B", "Queues to serve, first ones first. Default: every queue of the app."),
    "processes": (int, "N", "Worker processes. Default: one per CPU."),
    "name": (str, "NAME", "A label for people; need not be unique. Default: jqd."),
    "grace_s": (_span_s, "TIME", "How long running jobs may go on after TERM. Default: 30s."),
    "kill_after_s": (_span_s, "TIME", "From an interrupt or a passed time limit to the kill. Default: 5s."),
    "lease_s": (
        _span_s,
        "TIME",
        "After this long without a sign of life a worker's jobs go back. Default: 30s.",
    ),
    "poll_s": (_span_s, "TIME", "How often an idle worker looks without being woken. Default: 1s."),
    "jitter": (float, "SHARE", "Spreads starts (seconds) and polls (share); 0 turns it off. Default: 0.25."),
    "batch": (int, "N", "Jobs a worker takes in one trip at most. Default: 64."),
    "prefetch_ms": (int, "MS", "Expected work a worker holds at most; 0: one job at a time. Default: 20."),
    "max_jobs": (int, "N", "Replace a worker after that many jobs; 0: never. Default: 0."),
    "max_age_s": (_span_s, "TIME", "Replace a worker at that age, spread by a fifth; 0: never. Default: 0."),
    "cooldown_s": (_span_s, "TIME", "Drain and exit after that long; 0: never. Default: 0."),
    "burst": (
        click.Choice(["ready", "scheduled"]),
        "WHAT",
        "Exit when nothing is ready (or scheduled).",
    ),
    "nice": (int, "N", "Niceness added to the workers, 0 to 19. Default: 0."),
    "max_dead": (int, "N", "Dead jobs kept in each queue. Default: 10000."),
    "dead_s": (_span_s, "TIME", "How long dead jobs are kept. Default: 90d."),
    "runtime_dir": (
        str,
        "DIR",
        "Where boards lie; memory-backed is best. Default: RUNTIME_DIRECTORY or /dev/shm.",
    ),
    "log_format": (
        click.Choice(["text", "json"]),
        "text|json",
        "Form of the log lines on stderr. Default: text.",
    ),
    "log_level": (click.Choice(["debug", "info", "warning", "error"]), "LEVEL", "Default: info."),
}


def flag_of(setting: str) -> str:
    """Return the flag of a setting: ``grace_s`` is --grace."""
    return "--" + setting.removesuffix("_s").replace("_", "-")


def variable_of(setting: str) -> str:
    """Return the variable of a setting without its prefix: ``grace_s`` is JQ_GRACE."""
    return setting.removesuffix("_s")


def read_settings(flags: dict[str, Any], environment: Environment) -> DaemonSettings:
    """Return the settings: flag, else environment, else ``.env``, else default. Raises: ConfigError and its kin."""
    found: dict[str, Any] = {"app": "", "redis_url": environment.redis_url(flags.get("redis"))}
    for setting, (read, _, _) in OPTIONS.items():
        text = flags.get(setting) or environment.get(variable_of(setting))
        if text is not None:
            found[setting] = _read(setting, read, text)
    return DaemonSettings(**found)


def _read(setting: str, read: Any, text: str) -> Any:
    try:
        return read.convert(text, None, None) if isinstance(read, click.ParamType) else read(text)
    except (ValueError, JqError, click.BadParameter) as error:
        hint = error.message if isinstance(error, (JqError, click.BadParameter)) else f"{text!r} is not a number"
        raise click.UsageError(f"{flag_of(setting)} or JQ_{variable_of(setting).upper()}: {hint}") from None


def _with_options(command: Any) -> Any:
    for setting, (_, metavar, text) in reversed(OPTIONS.items()):
        help_text = f"{text}  [JQ_{variable_of(setting).upper()}]"
        command = click.option(flag_of(setting), setting, metavar=metavar, help=help_text)(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@_with_options
@click.option("--redis", metavar="URL", help="redis://, rediss://, unix:// or embedded:[DIR].  [JQ_REDIS_URL]")
@click.version_option(__version__, prog_name="jqd")
def command(**flags: Any) -> int:
    """Run jobs of an app in supervised worker processes until told to stop.

    \b
    jqd --app shop.app:app --processes 4
    jqd --app shop.app:app --queues mails,reports --grace 2m

    TERM or INT drains (a second INT, or QUIT, stops at once), HUP replaces the workers one by one.
    Each option can also be set in the environment or in .env, as shown in brackets.
    """
    return run(read_settings(flags, Environment()))


def run(settings: DaemonSettings) -> int:
    """Run one daemon; return its exit code."""
    signals = SignalInbox()
    signals.install()
    log.configure(f"jqd:{os.getpid()}", form=settings.log_format, level=settings.log_level)
    embedded = EmbeddedServer.ensure(settings.redis_url, working_directory(), pause=signals.wait_for_end)
    if embedded is None and is_embedded(settings.redis_url):
        return DaemonExit.ORDERLY  # a signal ended the boot
    try:
        return _supervise(settings, embedded.url if embedded else settings.redis_url, signals)
    finally:
        if embedded:
            embedded.stop()


def _supervise(settings: DaemonSettings, url: str, signals: SignalInbox) -> int:
    address = parse_url(url)
    boards = runtime_directory(address, settings.runtime_dir)
    daemon_id = f"{host_name()}:{os.getpid()}:{secrets.token_hex(4)}"
    store = Store(address, timeout_s=max(0.3, min(3.0, settings.lease_s / 6)), name=f"jqd-{settings.name}")
    keeper = LeaseKeeper(settings, daemon_id, store, boards, signals.wake)

    def configure(worker_id: str, board: str, channel_fd: int) -> str:
        return WorkerConfig(
            settings.app, url, worker_id, board, channel_fd, os.getpid(), settings.queues, settings.lease_ms,
            settings.poll_s, settings.jitter, settings.batch, settings.prefetch_ms, settings.max_jobs,
            settings.max_age_s, settings.nice, settings.log_format, settings.log_level,
        ).to_json()  # fmt: skip

    log.event(
        "daemon.started",
        name=settings.name,
        redis=str(address),
        app=settings.app,
        processes=settings.processes,
    )
    keeper.start()
    return Supervisor(settings, keeper, signals, Crew(boards, configure), Notifier()).run()


def main() -> None:
    """Entry point: one line and a code for whatever a person can get wrong, never a traceback."""
    try:
        sys.exit(command.main(standalone_mode=False))
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as error:
        click.echo(f"jqd: {error.format_message()}\nTry 'jqd --help'.", err=True)
        sys.exit(DaemonExit.USAGE)
    except JqError as error:
        click.echo(f"jqd: {error.in_one_line()}", err=True)
        sys.exit(DaemonExit.CONFIGURATION)
    except Exception:
        log.event("daemon.crashed", level=50, exc_info=True)
        sys.exit(DaemonExit.INTERNAL)


if __name__ == "__main__":
    main()
