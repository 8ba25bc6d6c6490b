"""`jqctl enqueue`: one job from the command line, without the app's code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from jqjobs.base.config import Environment
from jqjobs.cli.job_options import job_options
from jqjobs.cli.names import job_names, queue_option
from jqjobs.cli.output import complain
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import Coalesce
from jqjobs.operations.arguments import payload_of
from jqjobs.operations.enqueueing import Stored, enqueue_job, wanted
from jqjobs.store.replication import Wait


@click.command("enqueue")
@click.argument("name", shell_complete=job_names)
@queue_option("Queue to put it in. Default: the one it is registered for.")
@click.option("--args", "args_text", default="[]", metavar="JSON", help="Positional arguments: a JSON list.")
@click.option("--kwargs", "kwargs_text", default="{}", metavar="JSON", help="Named arguments: a JSON object.")
@click.option("--delay", metavar="TIME", help="Not before this much time has passed: 10s, 1h30m, '2 days'.")
@click.option("--at", "due", metavar="MOMENT", help="Not before then: 'tomorrow 9am', '2027-01-31 18:00 Europe/Paris'.")
@click.option("--key", help="Coalescing key: while a job has this key, nothing is added.")
@click.option(
    "--coalesce", type=click.Choice([mode.value for mode in Coalesce]),
    help="With --key: how long a job has it: until it starts, until it ends, or while it is dead too.",
)  # fmt: skip
@click.option("--replace", is_flag=True, default=None, help="With --key: a job that waits under it becomes this one.")
@click.option("--id", metavar="ID", help="Its id; enqueueing the same id again changes nothing.")
@job_options
@click.option(
    "--then", multiple=True, metavar="STEP", shell_complete=job_names,
    help="What begins when it has succeeded: a job's name, or JSON, see below; up to 16 in turn, 64 KiB together.",
)  # fmt: skip
@click.option("--batch", metavar="QUEUE/ID", help="The open batch that is to wait for it.")
@click.option("--unchecked", is_flag=True, help="Also when the arguments do not fit what live workers have.")
@speaks_to_redis
@click.pass_obj
def enqueue(
    session: Session, /, name: str, queue: str | None, args_text: str, kwargs_text: str, unchecked: bool,
    then: Sequence[str], batch: str | None, **given: Any,
) -> None:  # fmt: skip
    """Enqueue one job. NAME is the name it is registered under in the app; `jqctl jobs` lists them.

    Its arguments are checked as far as live workers have published what it takes. A warning on stderr tells when no
    daemon serves the queue, or no worker there has offered this name.

    A STEP is the name of a job, or an envelope as docs/protocol.md has it, without id and key: {"job": "publish",
    "args": [7]}. {"all": [...]} has steps that run side by side; what comes after them waits for all. A step goes to
    the queue that its job is registered for, unless it has "queue".

    Exit code 5: there is no such batch; 6: it is closed or over. Nothing is enqueued then.

    \b
    Examples:
      jqctl enqueue send_welcome --args '[42]'
      jqctl enqueue send_welcome --queue emails --kwargs '{"user_id": 42}' --delay 10m
      jqctl enqueue send_report --at 'friday 17:00 America/New_York'
      jqctl enqueue nightly_report --key nightly --json
      jqctl enqueue reindex --key shop --delay 30s --coalesce queued --replace
      jqctl enqueue fetch --args '["a.png"]' --then '{"job": "resize", "kwargs": {"width": 200}}' --then publish
      jqctl enqueue import_row --args '[1]' --batch web/import-7
    """
    payload = payload_of(args_text, kwargs_text, name)
    asked = wanted(name, payload, Options(**given), queue, unchecked=unchecked, then=then, batch=batch)
    with session.store() as store:
        stored = enqueue_job(store, asked, wait=Wait.from_settings(Environment()))
    _show(session, stored)


def _show(session: Session, stored: Stored) -> None:
    queue, made = stored.queue, stored.made
    if stored.warning:
        complain(f"jqctl: warning: {stored.warning}")
    said = "enqueued" if made.created else "replaced" if made.replaced else "there already, nothing added:"
    session.show(stored.as_json(), [f"{said} {queue}/{made.id}{_due_shown(stored.due)}"], [f"{queue}/{made.id}"])


def _due_shown(due: str) -> str:
    """Return the moment that words were understood as."""
    if not due.isdecimal():
        return ""
    from jqjobs.jobs.moment_words import shown

    return f", due {shown(datetime.fromtimestamp(int(due) / 1000).astimezone())}"
