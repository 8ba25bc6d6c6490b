"""`jqctl queue …`: list, pause and resume queues."""

from __future__ import annotations

import click

from jqjobs.base.clock import duration_ms
from jqjobs.cli.names import queue_names
from jqjobs.cli.overview.status_report import queue_parts, report_broken
from jqjobs.cli.person import who
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.watching import watchable
from jqjobs.errors import InvalidOption
from jqjobs.jobs.partitions import MOST_PARTITIONS
from jqjobs.jobs.records import check_name
from jqjobs.operations.queues import due_of, pause_in_words, repartition_queue, require_queue, settings_in_words
from jqjobs.operations.status import queues_json, read_status
from jqjobs.store.calls import upkeep
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.steps import run_steps
from jqjobs.store.whole_queues import at_each_place, count_queue

#: Takes a setting away.
DEFAULT = "default"
_MOST_DIGITS = 9


@click.group("queue")
def queue() -> None:
    """List, pause and resume queues; set what each keeps."""


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
    return report_broken(session, report)


@queue.command("pause")
@click.argument("name", shell_complete=queue_names)
@click.option("--reason", default="", metavar="TEXT", help="Why: told wherever the pause is.")
@click.option(
    "--until", default="", metavar="TIME", help="When it resumes by itself: 'in 2h', 'tomorrow 9am', 2027-01-31T18:00Z."
)
@click.option("--for", "span", default="", metavar="TIME", help="Instead of --until: for so long, 2h.")
@click.option("--by", metavar="TEXT", help="Who does it; default: user@host.")
@speaks_to_redis
@click.pass_obj
def pause(session: Session, name: str, reason: str, until: str, span: str, by: str | None) -> None:
    """Pause a queue: no job of it is taken until `jqctl queue resume`, or until the moment that --until says.

    Running jobs go on, and new ones are accepted. That moment is one of the clock of Redis; it holds through restarts.
    A queue that is paused already gets another end or another reason, if you give it, and keeps what you do not give;
    to take its end away, resume it and pause it anew.

    \b
    Examples:
      jqctl queue pause emails
      jqctl queue pause emails --for 2h --reason 'a deploy'
      jqctl queue pause emails --until 'in 2h' --reason 'the mail provider is down'
    """
    check_name(name, "queue")
    if until and span:
        raise InvalidOption("give --until or --for, not both")
    moment = due_of(until or (span and f"{duration_ms(span, '--for')}ms"))
    with session.acting() as store:
        require_queue(store, name)
        person = who() if by is None else by
        changed = any(
            run_steps(store.run, at_each_place(name, lambda each: upkeep.pause(each, moment, person, reason)))
        )
        now = run_steps(store.run, count_queue(name))
    told = {"until_ms": now.paused_until_ms, "by": now.paused_by, "reason": now.paused_reason}
    session.show({"queue": name, "paused": True, "changed": changed, **told}, [_paused(now, changed=changed)], [name])


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
    with session.acting() as store:
        require_queue(store, name)
        changed = any(run_steps(store.run, at_each_place(name, upkeep.resume)))
    said = "resumed" if changed else "not paused already"
    session.show({"queue": name, "paused": False, "changed": changed}, [f"queue {name}: {said}"], [name])


def _number(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    """Return a number; "" to go back to what daemons say."""
    if value is None or value == DEFAULT:
        return None if value is None else ""
    if not value.isdecimal() or len(value) > _MOST_DIGITS:
        raise click.BadParameter(f"{value!r} is neither a number nor {DEFAULT!r}")
    return int(value)


def _span(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == DEFAULT:
        return None if value is None else ""
    return duration_ms(value, "--dead")


@queue.command("set")
@click.argument("name", shell_complete=queue_names)
@click.option("--dead", "dead_ms", metavar="TIME", callback=_span, help="Forget dead jobs after this time: 7d.")
@click.option("--max-dead", metavar="N", callback=_number, help="Keep so many dead jobs at most: the latest.")
@click.option("--max-kept", metavar="N", callback=_number, help="Keep so many successes at most.")
@click.option(
    "--max-length", metavar="N", callback=_number, help="Refuse new jobs (StoreFull) while so many wait to be run."
)
@speaks_to_redis
@click.pass_obj
def set_queue(session: Session, /, name: str, **given: int | str | None) -> None:
    """Set what one queue keeps, instead of what --dead and --max-dead of jqd say of all, and how many jobs may wait.

    "default" takes a setting away again. Envelopes in the inbox stay there while the queue is full; ticks of schedules,
    jobs that are moved here and what comes back are not refused.

    \b
    Examples:
      jqctl queue set emails --dead 7d --max-dead 1000
      jqctl queue set emails --max-length 100000
      jqctl queue set emails --max-length default
    """
    check_name(name, "queue")
    values = {setting: None if value == "" else int(value) for setting, value in given.items() if value is not None}
    if not values:
        raise click.UsageError("say what to set: --dead, --max-dead, --max-kept or --max-length")
    with session.acting() as store:
        store.run(upkeep.add_queues([name]))
        run_steps(store.run, at_each_place(name, lambda place: upkeep.settings(place, values)))
        now = run_steps(store.run, count_queue(name))
    told = {setting: getattr(now, setting) for setting in upkeep.SETTINGS}
    session.show({"queue": name, **told}, [f"queue {name}: {settings_in_words(now) or 'nothing of its own'}"], [name])


@queue.command("repartition")
@click.argument("name", shell_complete=queue_names)
@click.argument("partitions", type=click.IntRange(1, MOST_PARTITIONS))
@speaks_to_redis
@click.pass_obj
def repartition(session: Session, name: str, partitions: int) -> None:
    """Give a queue so many partitions, for one that outgrows one core of Redis.

    What has a place keeps it: jobs that wait, are scheduled or dead stay in the partitions that the queue had before,
    which are served as before, and take nothing new. New jobs go to new partitions from now on. Producers hear of it
    with the next job; daemons within seconds, and replace their workers one by one.

    Order, priority and limits hold in each partition, not over the queue: a job with Concurrency(1) may run once in
    every partition. A limit whose key is the group of the job holds over all.

    With the same number as before it looks which earlier partitions have no jobs any more, and forgets these.

    \b
    Examples:
      jqctl queue repartition orders 4
    """
    check_name(name, "queue")
    with session.acting() as store:
        known = repartition_queue(store, name, partitions)
    earlier = f"; earlier jobs may be in {', '.join(known.former)}" if known.former else ""
    said = [f"queue {name}: {', '.join(known.names)} take new jobs{earlier}"]
    if len(known.places) > 1:
        said.append(
            "order, priority and limits hold in each: of a job with Concurrency(1) one may run in every one of them"
        )
    session.show({"queue": name, "partitions": known.names, "earlier": known.former}, said, [name])
