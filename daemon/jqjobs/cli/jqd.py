"""`jqd`: the worker daemon. Reads the settings; `wiring` makes a daemon of them."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from jqjobs.base import log
from jqjobs.base.clock import duration_ms
from jqjobs.base.config import Environment, use_redis, working_directory
from jqjobs.base.escape import visible
from jqjobs.base.imports import require_module
from jqjobs.base.process import MORE_PROCESSES, has_no_threads
from jqjobs.base.sizes import size_bytes
from jqjobs.base.words import plural
from jqjobs.cli.shipped import SHIPPED, Place, filled_in
from jqjobs.daemon.deploys.release import Release, find_release
from jqjobs.daemon.main import run_daemon
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import ConfigError, InvalidOption, JqError
from jqjobs.link.bounds import Bounds
from jqjobs.link.exits import DaemonExit
from jqjobs.link.queue_choice import QueueChoice
from jqjobs.store.login import address_of
from jqjobs.version import __version__


def _span_s(text: str) -> float:
    if text.lstrip().startswith("-"):
        raise InvalidOption("a time here is 0 or more")
    return duration_ms(text) / 1000


def _yes(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise InvalidOption("say yes or no")
    return text.lower() == "yes"


#: Setting → (how its text is read, metavar, help). The flag is --x-y, the variable JQ_X_Y.
OPTIONS: dict[str, tuple[Any, str, str]] = {
    "app": (str, "MODULE:ATTR", "The app, such as shop.app:app."),
    "queues": (
        QueueChoice.parse,
        "A,B|A:3,B:1|A,T-*",
        "Queues to serve, first ones first, or by weight while several have jobs; T-*: all with such names, by turns. "
        "Default: all of the app.",
    ),
    "processes": (
        Bounds.parse,
        "N|MIN..MAX",
        "Worker processes; of MIN..MAX as many as the jobs call for. Default: one for each CPU this process may use.",
    ),
    "hold_s": (
        _span_s,
        "TIME",
        "With --processes MIN..MAX: so long fewer must suffice before one goes. Default: 60s.",
    ),
    "concurrency": (int, "N", "Jobs a worker runs at once: on threads, async ones on an event loop. Default: 1."),
    "name": (str, "NAME", "A label for people; need not be unique. Default: jqd."),
    "grace_s": (_span_s, "TIME", "How long running jobs may go on after TERM. Default: 25s."),
    "kill_after_s": (_span_s, "TIME", "From an interrupt or a passed time limit to the kill. Default: 5s."),
    "lease_s": (
        _span_s,
        "TIME",
        "After this long without a sign of life a worker's jobs go back. Default: 30s.",
    ),
    "poll_s": (_span_s, "TIME", "How often an idle worker looks without being woken. Default: 1s."),
    "jitter": (float, "SHARE", "Spreads starts (seconds) and polls (share); 0 turns it off. Default: 0.25."),
    "batch": (int, "N", "Jobs a worker takes in one trip at most. Default: 256."),
    "prefetch_ms": (int, "MS", "Expected work held beyond what runs; 0: one job at a time. Default: 20."),
    "max_jobs": (int, "N", "Replace a worker after that many jobs; 0: never. Default: 0."),
    "max_age_s": (_span_s, "TIME", "Replace a worker at that age, spread by a fifth; 0: never. Default: 0."),
    "cooldown_s": (_span_s, "TIME", "Drain and exit after that long; 0: never. Default: 0."),
    "burst": (
        click.Choice(["ready", "scheduled"]),
        "ready|scheduled",
        "Exit when nothing is ready; scheduled: and nothing is due later.",
    ),
    "nice": (int, "N", "Niceness added to the workers, 0 to 19. Default: 0."),
    "memory_reserve": (
        size_bytes,
        "SIZE",
        "Memory left free for others. Default: 5%, at least 128MiB, at most a quarter.",
    ),
    "max_rss": (size_bytes, "SIZE", "Replace a worker that is larger between two jobs; 0: never. Default: 0."),
    "watch": (
        click.Choice(["auto", "poll", "off"]),
        "auto|poll|off",
        "Reload when source files in use change; poll: look only, trust no notification. Default: auto.",
    ),
    "watch_packages": (_yes, "yes|no", "Watch what is installed in site-packages too. Default: no."),
    "directory": (
        str,
        "DIR",
        "Change to it first; may lead over a symlink that a deploy swaps. Default: where jqd was started.",
    ),
    "health": (
        str,
        "HOST:PORT",
        "Answer /livez, /readyz and /metrics by HTTP there; also unix:/path. Default: nowhere.",
    ),
    "max_dead": (int, "N", "Dead jobs kept in each queue, 1 KB each and more. Default: 100000."),
    "dead_s": (_span_s, "TIME", "How long dead jobs are kept. Default: 90d."),
    "park_s": (_span_s, "TIME", "How long jobs wait for a worker that their arguments fit. Default: 1d."),
    "alert_url": (str, "URL", "POST there as JSON what somebody must know: jobs died, a queue waits, Redis fills up."),
    "alert_exec": (str, "COMMAND", "Run this line of shell then, with the JSON on stdin. Default: none."),
    "alert_wait_s": (_span_s, "TIME", "Tell of a queue whose oldest ready job waits longer. Default: 5m."),
    "alert_every_s": (_span_s, "TIME", "Tell the same no more often, whichever daemon does. Default: 15m."),
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
    "log_level": (
        click.Choice(["debug", "info", "warning", "error"]),
        "LEVEL",
        "What matters less is not logged. Default: info.",
    ),
    "log_jobs": (
        str,
        "all|slow:TIME|failed",
        "Ends of jobs in the log on stderr: all, failures and slow successes, or failures. Default: failed.",
    ),
    "job_log": (str, "FILE", "A line there, too, for each end of a job, whatever --log-jobs says. Default: none."),
    "error_log": (str, "FILE", "A line there, too, for each failure of a job, with its traceback. Default: none."),
}


def flag_of(setting: str) -> str:
    """Return the flag of a setting: ``grace_s`` is --grace."""
    return "--" + setting.removesuffix("_s").replace("_", "-")


def variable_of(setting: str) -> str:
    """Return the variable of a setting without its prefix: ``grace_s`` is JQ_GRACE."""
    return setting.removesuffix("_s")


def read_settings(flags: dict[str, Any], environment: Environment) -> DaemonSettings:
    """Return the settings: flag, else environment, else ``.env``, else default. Raises: ConfigError and its kin."""
    found: dict[str, Any] = {"app": "", "redis_url": environment.redis_url(flags.get("redis"), flags.get("prefix"))}
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
@click.option("--check", is_flag=True, help="Read the settings, load the app, say what is wrong, and exit.")
@click.option(
    "--print-config", "kind", type=click.Choice([*SHIPPED]), metavar="KIND",
    help="Print a file of deploy/ for this machine, and exit: " + ", ".join(SHIPPED) + ".",
)  # fmt: skip
@click.option(
    "--redis",
    metavar="URL",
    help="redis://, rediss://, unix://, redis+sentinel://, redis+cluster:// or embedded:[DIR].  [JQ_REDIS_URL]",
)
@click.option("--prefix", metavar="NAME", help="What all keys in Redis begin with. Default: jq.  [JQ_PREFIX]")
@click.version_option(__version__, prog_name="jqd")
def command(check: bool, kind: str | None, **flags: Any) -> int:
    """Run jobs of an app in supervised worker processes until told to stop.

    \b
    jqd --app shop.app:app --processes 4
    jqd --app shop.app:app --queues mails,reports --grace 2m
    jqd --app shop.app:app --print-config supervisor > /etc/supervisor/conf.d/jqd.conf

    TERM or INT drains (a second INT, or QUIT, stops at once), HUP replaces the workers one by one.
    Each option can also be set in the environment or in .env, as shown in brackets. JQ_REDIS_USERNAME and
    JQ_REDIS_PASSWORD or JQ_REDIS_PASSWORD_FILE, which is read again at every connect, say what the URL does not.
    """
    release = enter_directory(flags)
    if kind is not None:
        return print_config(kind, release, flags, Environment())
    settings = read_settings(flags, Environment())
    if check:
        return check_app(settings)
    return run_daemon(settings, release, lambda: read_settings(flags, Environment()))


def print_config(kind: str, release: Release, flags: dict[str, Any], environment: Environment) -> int:
    """Print a shipped file with what is known here. Raises: ConfigError."""
    redis_url = environment.redis_url(flags.get("redis"), flags.get("prefix"))
    app = flags.get("app") or environment.get("app") or ""
    click.echo(filled_in(kind, Place.here(release.directory, app, redis_url)), nl=False)
    return DaemonExit.ORDERLY


def enter_directory(flags: dict[str, Any]) -> Release:
    """Change to --directory, which is kept as it was given, links and all. Raises: ConfigError."""
    chosen = flags.get("directory") or Environment().get("directory") or ""
    release = find_release(chosen, os.environ, sys.argv[0], str(working_directory()))
    try:
        os.chdir(release.directory)
    except OSError as error:
        raise ConfigError(f"--directory {release.directory} cannot be entered: {error.strerror}") from error
    return release


def check_app(settings: DaemonSettings) -> int:
    """Load the app as a worker would; 0 when it can be. A new daemon is tried like this before it takes over."""
    # Not at the top: job code has no place in a running daemon.
    from jqjobs.cli.session import plain_url
    from jqjobs.worker.life.boot import describe_failure, limit_threads, load_registered, refuse_green_threads
    from jqjobs.worker.life.same_redis import enqueue_where_we_work

    url, environment = plain_url(settings.redis_url), Environment()
    require_module(settings.app, os.getcwd())
    use_redis(url)
    sys.path.insert(0, os.getcwd())  # as `python -m` has it
    try:
        app = load_registered(settings.app, settings.queues.names or settings.queues.patterns)
        refuse_green_threads(settings.concurrency)
        enqueue_where_we_work(app, address_of(url, environment, app.credentials))
    except BaseException as error:
        limit_threads(DaemonExit.CONFIGURATION)
        raise ConfigError(f"{settings.app} does not load: {describe_failure(error)}") from error
    limit_threads(DaemonExit.ORDERLY)
    click.echo(f"{settings.app} loads, with {plural(len(app.jobs), 'job')} for {', '.join(app.registry.queues())}")
    return DaemonExit.ORDERLY


def main() -> None:
    """Entry point: one line and a code for whatever a person can get wrong, never a traceback."""
    _open_standard_streams()
    try:
        sys.exit(command.main(prog_name="jqd", standalone_mode=False))
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as error:
        click.echo(f"jqd: {visible(error.format_message())}\nTry 'jqd --help'.", err=True)
        sys.exit(DaemonExit.USAGE)
    except JqError as error:
        click.echo(f"jqd: {visible(error.in_one_line())}", err=True)
        sys.exit(DaemonExit.CONFIGURATION)
    except Exception as error:
        if has_no_threads(error):
            click.echo(f"jqd: {error} ({MORE_PROCESSES})", err=True)
            sys.exit(DaemonExit.TEMPORARY)
        log.event("daemon.crashed", level=log.CRITICAL, exc_info=True)
        sys.exit(DaemonExit.INTERNAL)


def _open_standard_streams() -> None:
    """Put /dev/null where stdin, stdout or stderr are closed.

    Else the next socket would get that number, and what a job's subprocess prints would go to Redis or to a board.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free


if __name__ == "__main__":
    main()
