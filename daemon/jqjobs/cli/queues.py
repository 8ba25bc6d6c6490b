"""`jqctl queue …`: list, pause and resume queues."""

from __future__ import annotations

import click

from jqjobs.cli.session import Session, require_queue, speaks_to_redis
from jqjobs.cli.status_report import queue_parts, queues_json, read_status, report_broken
from jqjobs.cli.watching import watchable
from jqjobs.jobs.records import check_name
from jqjobs.store.calls import upkeep


@click.group("queue")
def queue() -> None:
    """List, pause and resume queues."""


@queue.command("list")
@speaks_to_redis
@click.pass_obj
@watchable
def list_queues(session: Session) -> int:
    """List all known queues with their numbers, as `jqctl status` does.

    A queue is known once a daemon serves it or a Python producer has used it.
    """
    with session.store() as store:
        report = read_status(store)
    parts = queue_parts(report) if report.queues or report.broken else ["No queue is known yet."]
    session.show({"queues": queues_json(report)}, parts, [queue.name for queue in report.queues])
    return report_broken(report)


@queue.command("pause")
@click.argument("name")
@speaks_to_redis
@click.pass_obj
def pause(session: Session, name: str) -> None:
    """Pause a queue: no job of it is taken until `jqctl queue resume`.

    Running jobs go on, and new ones are accepted.

    \b
    Example:
      jqctl queue pause emails
    """
    _switch(session, name, resume=False)


@queue.command("resume")
@click.argument("name")
@speaks_to_redis
@click.pass_obj
def resume(session: Session, name: str) -> None:
    """Resume a paused queue.

    \b
    Example:
      jqctl queue resume emails
    """
    _switch(session, name, resume=True)


def _switch(session: Session, name: str, *, resume: bool) -> None:
    check_name(name, "queue")
    with session.store() as store:
        require_queue(store, name)
        changed = store.run(upkeep.pause(name, resume=resume))
    state = "resumed" if resume else "paused"
    said = state if changed else f"{'not paused' if resume else 'paused'} already"
    session.show({"queue": name, "paused": not resume, "changed": changed}, [f"queue {name}: {said}"])
