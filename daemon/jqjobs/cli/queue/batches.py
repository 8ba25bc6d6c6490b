"""`jqctl batch …`: jobs that are waited for together: open, close, look at, cancel them, retry those that are dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from jqjobs.base.words import moment, plural
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.names import job_names, only_queues
from jqjobs.cli.output import complain
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.tables import Column, Part, Table
from jqjobs.jobs.flow import BatchState, BatchStatus, OnDead, batch_ref
from jqjobs.operations.batches import (
    KEPT,
    batch_json,
    cancel_batch,
    close_batch,
    find_batch,
    found_json,
    list_batches,
    open_batch,
    rejected_in_words,
    retried_in_words,
    retry_batch,
    wanted_batch,
    what_it_waits_for,
)  # fmt: skip
from jqjobs.operations.queues import queues_meant
from jqjobs.operations.steps import steps_in_words

_COLUMNS = (
    Column("BATCH", flexible=True), Column("STATE"), Column("OPEN", right=True), Column("SUCCEEDED", right=True),
    Column("DEAD", right=True), Column("CREATED", goes=1),
)  # fmt: skip


@click.group("batch")
def batch() -> None:
    """Open, close, list, show, retry and cancel batches: jobs that are waited for together."""


@batch.command("open")
@click.argument("ref", metavar="QUEUE/ID")
@click.option("--then", multiple=True, metavar="STEP", shell_complete=job_names,
              help="What begins when all members have succeeded, as of `jqctl enqueue`.")  # fmt: skip
@click.option("--always", multiple=True, metavar="STEP", shell_complete=job_names,
              help="What begins when all members have ended.")  # fmt: skip
@click.option("--on-dead", type=click.Choice([*map(str, OnDead)]), default=str(OnDead.WAIT), show_default=True,
              help="With a dead member: wait for its retry, cancel the others, or go on to --then.")  # fmt: skip
@click.option("--keep", default=KEPT, show_default=True, metavar="TIME", help="It is known for so long after its end.")
@click.option("--unchecked", is_flag=True, help="Also when arguments of steps do not fit what live workers have.")
@speaks_to_redis
@click.pass_obj
def open_new(session: Session, /, ref: str, unchecked: bool, **said: Any) -> None:
    """Open a batch, kept in QUEUE: `jqctl enqueue --batch QUEUE/ID` adds to it until it is closed.

    The same again changes nothing, as long as it is not over. Exit code 6: there is another one of that name.

    \b
    Example:
      jqctl batch open web/import-7 --then '{"job": "report", "args": [7]}' --always unlock --on-dead go
    """
    asked = wanted_batch(ref, **said)
    with session.acting() as store:
        answer = open_batch(store, asked, unchecked=unchecked)
    if answer["warning"]:
        complain(f"jqctl: warning: {answer['warning']}")
    session.show(answer, [f"batch {ref}: {'opened' if answer['opened'] else 'there already, the same'}"], [ref])


@batch.command("close")
@click.argument("ref", metavar="QUEUE/ID")
@click.option("--count", type=click.IntRange(0, 2**53 - 1), metavar="N",
              help="So many were added: it waits until it has heard of all. Default: as many as it knows.")  # fmt: skip
@speaks_to_redis
@click.pass_obj
def close(session: Session, ref: str, count: int | None) -> None:
    """Close a batch: nobody adds to it any more but its members, and what comes after it may come.

    Exit code 6: it was closed before, or is cancelled.

    \b
    Examples:
      jqctl batch close web/import-7
      jqctl batch close web/import-7 --count 1000
    """
    batch_ref(ref)
    with session.acting() as store:
        answer = close_batch(store, ref, count)
    session.show(answer, [f"batch {ref}: closed, of {plural(answer['count'], 'member')}"], [ref])


@batch.command("list")
@only_queues
@speaks_to_redis
@click.pass_obj
def list_all(session: Session, queues: Sequence[str]) -> None:
    """List batches: up to 100 of each queue, those first that still go on.

    \b
    Examples:
      jqctl batch list
      jqctl batch list --queue web --json
    """
    with session.store() as store:
        listed = list(list_batches(store, queues_meant(store, queues)))
    session.show({"batches": list(map(batch_json, listed))}, _table(listed), [each.ref for each in listed])


@batch.command("show")
@click.argument("ref", metavar="QUEUE/ID")
@speaks_to_redis
@click.pass_obj
def show(session: Session, ref: str) -> None:
    """Show how far a batch is, and which of its members are open or dead.

    \b
    Example:
      jqctl batch show web/import-7
    """
    batch_ref(ref)
    with session.store() as store:
        found = find_batch(store, ref)
    status = found.record.status
    lines: list[Part] = [*_table([status])]
    lines += [f"{kind}: {member}" for kind in ("open", "dead") for member in getattr(found, kind)]
    for word, steps in (("then", found.record.then), ("always", found.record.always)):
        lines += [f"{word}: {', '.join(steps_in_words(steps, status.queue))}"] if steps else []
    lines += rejected_in_words(found.record)
    if status.state is BatchState.OPEN:
        lines.append(what_it_waits_for(found.record))
    if status.state is BatchState.WAITING:
        lines.append(f"it waits for dead members: jqctl batch retry {status.ref}")
    session.show(found_json(found), lines, [status.ref])


@batch.command("cancel")
@click.argument("ref", metavar="QUEUE/ID")
@speaks_to_redis
@click.pass_obj
def cancel(session: Session, ref: str) -> None:
    """Cancel a batch: its members are cancelled; what is to come in any case comes, what is to come after success not.

    \b
    Example:
      jqctl batch cancel web/import-7
    """
    batch_ref(ref)
    with session.acting() as store:
        answer = cancel_batch(store, ref)
    session.show(answer, [f"batch {ref}: cancelled"], [ref])


@batch.command("retry")
@click.argument("ref", metavar="QUEUE/ID")
@speaks_to_redis
@click.pass_obj
def retry(session: Session, ref: str) -> int:
    """Send all dead members of a batch back to ready, whatever they died of, with all their attempts before them again.

    A member is refused when its coalescing key belongs to a newer job by now. Nothing can be retried in a batch that is
    over.

    Exit code 0: all went back, or none was dead; 6: some were refused, or the batch is over.

    \b
    Example:
      jqctl batch retry web/import-7
    """
    batch_ref(ref)
    with session.acting() as store:
        answer = retry_batch(store, ref)
    session.show(answer, [f"batch {ref}: {retried_in_words(answer)}"], [ref])
    return Exit.CONFLICT if answer["refused_count"] else Exit.OK


def _table(listed: Sequence[BatchStatus]) -> list[Part]:
    if not listed:
        return ["No batch is known."]
    rows = [
        (each.ref, each.state.value, str(each.open), str(each.succeeded), str(each.dead), moment(each.created_ms))
        for each in listed
    ]
    return [Table(_COLUMNS, rows)]
