"""`jqctl`: looks at queues, daemons and jobs, and acts on them. The commands are in the modules beside this one.

Owns the command line as a whole, and that nothing a user can do ends in a traceback: errors are one line
(`jqctl: message (hint)`, an object with --json) and an exit code. A whole `jqctl status` has 0.3 s, so modules
that it imports stay light: no redis-py, msgspec, psutil, rich or asyncio.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from jqjobs.cli.exit_codes import Exit, exit_of
from jqjobs.cli.lazy_group import LazyGroup
from jqjobs.cli.output import ReaderGone, ready_streams, write_error
from jqjobs.cli.session import Session, asks_for_json, speaks_to_redis
from jqjobs.errors import InvalidOption, JqError

_COMMANDS = {
    "audit": "overview.audit:audit", "batch": "queue.batches:batch",
    "client": "client:client", "completion": "completion:completion",
    "daemon": "daemon.daemons:daemon",
    "doctor": "doctor.command:doctor", "enqueue": "job.enqueue:enqueue", "errors": "job.errors:errors",
    "job": "job.jobs:job", "jobs": "job.registered:jobs", "metrics": "metrics.metrics:metrics",
    "new": "new:new", "outbox": "outbox:outbox", "ping": "overview.ping:ping", "queue": "queue.queues:queue",
    "recent": "queue.recent:recent",
    "scale": "daemon.scale:scale", "schedule": "queue.schedule:schedule", "status": "overview.status:status",
    "tail": "overview.tail:tail", "top": "overview.top:top", "web": "web:web",
}  # fmt: skip


class UsageError(InvalidOption):
    """The command line is not understood."""

    code = "usage"


def _print_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"jqctl {version('jqjobs')}")
    except PackageNotFoundError:
        click.echo("jqctl (not installed)")
    context.exit()


@click.group(
    cls=LazyGroup, modules=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)  # fmt: skip
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version,
    help="Show the version and exit.",
)  # fmt: skip
@speaks_to_redis
@click.pass_context
def cli(context: click.Context) -> None:
    """Look at the queues, daemons and jobs of jqjobs, and act on them.

    Where Redis is comes from --redis, JQ_REDIS_URL, or JQ_REDIS_URL in .env, in this order; the default is
    redis://127.0.0.1:6379/0. JQ_REDIS_USERNAME and JQ_REDIS_PASSWORD or JQ_REDIS_PASSWORD_FILE say who asks. What all
    keys there begin with comes from --prefix, the URL, or JQ_PREFIX; default: jq. A question may take JQ_TIMEOUT, 5s.

    \b
    Examples:
      jqctl status
      jqctl top
      jqctl doctor
      jqctl jobs
      jqctl enqueue send_welcome --args '[42]'
      jqctl errors
      jqctl job list --queue emails --state dead
      jqctl job retry --queue emails --all-dead
      jqctl queue pause emails
      jqctl daemon reload --all

    With --json every command answers with one JSON object that carries "v": 1; errors are an object on stderr.

    Exit codes: 0 done; 1 error; 2 usage; 4 Redis cannot be reached; 5 there is no such job, queue or daemon; 6 the
    state of the job does not allow that; of `job run` also 3 the job failed; 7 it discarded itself.
    """
    context.ensure_object(Session)


def run(argv: Sequence[str]) -> int:
    """Run jqctl with these arguments and return its exit code."""
    ready_streams()
    try:
        _check_encoding(argv)
        returned: Any = cli.main(args=list(argv) or ["--help"], prog_name="jqctl", standalone_mode=False)
        return int(returned or Exit.OK)
    except click.exceptions.NoArgsIsHelpError as error:  # `jqctl job` alone: its help, as asked by nobody
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except click.ClickException as error:
        return _fail(_as_usage_error(error), argv)
    except JqError as error:
        return _fail(error, argv)
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except ReaderGone:
        return Exit.READER_GONE
    except OSError as error:  # a full disk below stdout, a working directory that is gone
        return _fail(JqError(str(error)), argv)


def _check_encoding(argv: Sequence[str]) -> None:
    """Raise UsageError for what Python could only keep as stray bytes: no name and no text in Redis has any."""
    for word in argv:
        if not word.isascii() and any("\ud800" <= character <= "\udfff" for character in word):
            raise UsageError(f"{word!r} is not UTF-8", hint="write it in UTF-8")


def _fail(error: JqError, argv: Sequence[str]) -> int:
    write_error(error, as_json=asks_for_json(argv))
    return exit_of(error)


def _as_usage_error(error: click.ClickException) -> JqError:
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "jqctl"
    return UsageError(" ".join(error.format_message().split()), hint=f"see {where} --help")


def main() -> None:
    """Be the command `jqctl`."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
