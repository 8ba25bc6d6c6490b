"""`jqctl queue …`: list, pause and resume queues."""

from __future__ import annotations

import time

import click

from jqjobs.cli.names import queue_names
from jqjobs.cli.person import who
from jqjobs.cli.queue_report import pause_in_words
from jqjobs.cli.session import Session, require_queue, speaks_to_redis
from jqjobs.cli.status_report import queue_parts, queues_json, read_status, report_broken
from jqjobs.cli.watching import watchable
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import check_name
from jqjobs.store.calls import upkeep
from jqjobs.store.reads.queues import QueueStatus, queue_status


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
@click.argument("name", shell_complete=queue_names)
@click.option("--reason", default="", metavar="TEXT", help="Why: told wherever the pause is.")
@click.option(
    "--until", default="", metavar="TIME", help="When it resumes by itself: 'in 2h', 'tomorrow 9am', 2027-01-31T18:00Z."
)
@click.option("--by", metavar="TEXT", help="Who does it; default: user@host.")
@speaks_to_redis
@click.pass_obj
def pause(session: Session, name: str, reason: str, until: str, by: str | None) -> None:
    """Pause a queue: no job of it is taken until `jqctl queue resume`, or until the moment that --until says.

    Running jobs go on, and new ones are accepted. That moment is one of the clock of Redis; it holds through restarts.
    A queue that is paused already gets another end and another reason, if you give one.

    \b
    Examples:
      jqctl queue pause emails
      jqctl queue pause emails --until 'in 2h' --reason 'the mail provider is down'
    """
    check_name(name, "queue")
    moment = due_of(until)
    with session.store() as store:
        require_queue(store, name)
        changed = store.run(upkeep.pause(name, moment, who() if by is None else by, reason))
        now = store.run(queue_status(name))
    told = {"until_ms": now.paused_until_ms, "by": now.paused_by, "reason": now.paused_reason}
    session.show({"queue": name, "paused": True, "changed": changed, **told}, [_paused(now, changed=changed)], [name])


def due_of(until: str) -> str:
    """Return the end of a pause as the store wants it, "" for none. Raises: InvalidOption."""
    if not until:
        return ""
    from jqjobs.jobs.moments import due_text

    moment = due_text(until, "until", time.time_ns() // 1_000_000)
    if not moment:
        raise InvalidOption(f"until {until!r} is now", hint="give a moment to come, such as 'in 2h'")
    return moment


def _paused(queue: QueueStatus, *, changed: bool) -> str:
    said = pause_in_words(queue)
    return f"queue {queue.name}: paused{'' if changed else ' already'}{said and f', {said}'}"


@queue.command("resume")
@click.argument("name", shell_complete=queue_names)
@speaks_to_redis
@click.pass_obj
def resume(session: Session, name: str) -> None:
    """Resume a paused queue.

    \b
    Example:
      jqctl queue resume emails
    """
    check_name(name, "queue")
    with session.store() as store:
        require_queue(store, name)
        changed = store.run(upkeep.resume(name))
    said = "resumed" if changed else "not paused already"
    session.show({"queue": name, "paused": False, "changed": changed}, [f"queue {name}: {said}"], [name])
