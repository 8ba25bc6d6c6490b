"""`jqctl enqueue`: one job from the command line, without the app's code."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import click

from jqjobs.cli.job.arguments import payload_of
from jqjobs.cli.job.offers import check_arguments, find_offer, warning_of
from jqjobs.cli.job.storing import store_job
from jqjobs.cli.names import job_names, queue_option
from jqjobs.cli.output import complain
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.jobs.records import PRIORITIES, Coalesce, Enqueued, NewJob, Options, check_name, new_id
from jqjobs.store.reads.catalog import Offer, offer_in
from jqjobs.store.reply_values import integer, string
from jqjobs.store.store import Store


@click.command("enqueue")
@click.argument("name", shell_complete=job_names)
@queue_option("Queue to put it in. Default: the one it is registered for.")
@click.option("--args", "args_text", default="[]", metavar="JSON", help="Positional arguments: a JSON list.")
@click.option("--kwargs", "kwargs_text", default="{}", metavar="JSON", help="Named arguments: a JSON object.")
@click.option("--priority", type=int, metavar="N", help="-4096 to 4095, higher first. Default: the job's own.")
@click.option("--delay", metavar="TIME", help="Not before this much time has passed: 10s, 1h30m, '2 days'.")
@click.option("--at", "due", metavar="MOMENT", help="Not before then: 'tomorrow 9am', '2027-01-31 18:00 Europe/Paris'.")
@click.option("--key", help="Coalescing key: while a job has this key, nothing is added.")
@click.option(
    "--coalesce", type=click.Choice([mode.value for mode in Coalesce]),
    help="With --key: how long a job has it: until it starts, until it ends, or while it is dead too.",
)  # fmt: skip
@click.option("--replace", is_flag=True, default=None, help="With --key: a job that waits under it becomes this one.")
@click.option("--id", metavar="ID", help="Its id; enqueueing the same id again changes nothing.")
@click.option("--max-attempts", type=int, metavar="N", help="Give up after so many failures.")
@click.option("--unchecked", is_flag=True, help="Also when the arguments do not fit what live workers have.")
@speaks_to_redis
@click.pass_obj
def enqueue(
    session: Session, /, name: str, queue: str | None, args_text: str, kwargs_text: str, unchecked: bool, **given: Any
) -> None:
    """Enqueue one job. NAME is the name it is registered under in the app; `jqctl jobs` lists them.

    Its arguments are checked as far as live workers have published what it takes. A warning on stderr tells when no
    daemon serves the queue, or no worker there has offered this name.

    \b
    Examples:
      jqctl enqueue send_welcome --args '[42]'
      jqctl enqueue send_welcome --queue emails --kwargs '{"user_id": 42}' --delay 10m
      jqctl enqueue send_report --at 'friday 17:00 America/New_York'
      jqctl enqueue nightly_report --key nightly --json
      jqctl enqueue reindex --key shop --delay 30s --coalesce queued --replace
    """
    check_name(name, "job name")
    if queue is not None:
        check_name(queue, "queue")
    options = Options(**given)
    options.check_key()
    job = _new_job(name, payload_of(args_text, kwargs_text, name), options)
    with session.store() as store:
        queue, offer = _destination(store, queue, name)
        if offer and not unchecked:
            check_arguments(offer, job.payload)
        job = _completed(job, options, offer.entry if offer else {})
        warning = warning_of(store, queue, name, is_offered=offer is not None)
        made = store_job(store, queue, job)
    _show(session, queue, job.due, made, warning)


def _new_job(name: str, payload: bytes, options: Options) -> NewJob:
    return NewJob(
        name, payload, options.id or new_id(), options.priority or 0, options.due_text(), options.key or "",
        options.fields(),
    )  # fmt: skip


def _destination(store: Store, queue: str | None, name: str) -> tuple[str, Offer | None]:
    """Return the queue that is meant, and what is offered there under this name."""
    if queue is not None:
        return queue, offer_in(store, queue, name)
    offer = find_offer(store, name)
    return offer.queue, offer


def _completed(job: NewJob, options: Options, entry: dict[str, Any]) -> NewJob:
    """Add what the command line leaves to the job's registration, as ingestion does with an envelope."""
    priority = integer(entry.get("priority")) or 0
    if options.priority is None and priority in PRIORITIES:
        job = dataclasses.replace(job, priority=priority)
    if options.when is None:
        job = dataclasses.replace(job, due=_published_due(entry))
    if options.key is None:
        return job
    published = string(entry.get("coalesce"))
    mode = options.coalesce or (published if published in list(Coalesce) else None) or Coalesce.UNFINISHED
    replaces = entry.get("replace") is True if options.replace is None else options.replace
    return dataclasses.replace(job, coalesce=mode, replace=replaces)


def _published_due(entry: dict[str, Any]) -> str:
    words, delay_ms = string(entry.get("delay")), integer(entry.get("delay_ms")) or 0
    return Options(delay=words or delay_ms / 1000).due_text()


def _show(session: Session, queue: str, due: str, made: Enqueued, warning: str | None) -> None:
    if warning:
        complain(f"jqctl: warning: {warning}")
    answer = {
        "id": made.id, "queue": queue, "created": made.created, "replaced": made.replaced,
        "due_ms": int(due) if due.isdecimal() else None, "warning": warning,
    }  # fmt: skip
    said = "enqueued" if made.created else "replaced" if made.replaced else "there already, nothing added:"
    session.show(answer, [f"{said} {queue}/{made.id}{_due_shown(due)}"], [f"{queue}/{made.id}"])


def _due_shown(due: str) -> str:
    """Return the moment that words were understood as."""
    if not due.isdecimal():
        return ""
    from jqjobs.jobs.moment_words import shown

    return f", due {shown(datetime.fromtimestamp(int(due) / 1000).astimezone())}"
