"""`jqctl schedule …`: list, pause, resume and run what runs by itself."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jqjobs.cli.job.storing import store_job
from jqjobs.cli.names import queue_option, schedule_names
from jqjobs.cli.queue.schedule_report import as_json, read_schedules, schedule_parts
from jqjobs.cli.session import Session, require_queue, speaks_to_redis
from jqjobs.errors import Conflict, NotFound
from jqjobs.jobs.records import NewJob, check_name, new_id, parse_ref
from jqjobs.store.calls.schedules import Planned, agenda, suspend
from jqjobs.store.reads.queues import known_queues
from jqjobs.store.reply_values import integer, string
from jqjobs.store.store import Store

_NO_SUCH = "see jqctl schedule list; a schedule is there once a worker that has it in its code was ready"


@click.group("schedule")
def schedule() -> None:
    """List, pause, resume and run periodic jobs."""


@schedule.command("list")
@queue_option("Only schedules of this queue.")
@speaks_to_redis
@click.pass_obj
def list_schedules(session: Session, queue: str | None) -> None:
    """List the schedules of all queues: when each comes next, when it last ran, and what came of that.

    RUN is the state of the job of the last tick; "gone": it succeeded, and was not to be kept. A schedule comes
    as long as a live worker has it in its code.

    \b
    Examples:
      jqctl schedule list
      jqctl schedule list --queue reports --json
    """
    if queue:
        check_name(queue, "queue")
    with session.store() as store:
        if queue:
            require_queue(store, queue)
        listed = read_schedules(store, [queue] if queue else known_queues(store))
    session.show({"schedules": list(map(as_json, listed))}, schedule_parts(listed), [each.ref for each in listed])


@schedule.command("pause")
@click.argument("name", metavar="[QUEUE/]NAME", shell_complete=schedule_names)
@speaks_to_redis
@click.pass_obj
def pause(session: Session, name: str) -> None:
    """Pause a schedule until `jqctl schedule resume`, deploys and restarts included.

    \b
    Example:
      jqctl schedule pause reports/nightly
    """
    _switch(session, name, resume=False)


@schedule.command("resume")
@click.argument("name", metavar="[QUEUE/]NAME", shell_complete=schedule_names)
@speaks_to_redis
@click.pass_obj
def resume(session: Session, name: str) -> None:
    """Resume a paused schedule. What it missed meanwhile is not caught up on.

    \b
    Example:
      jqctl schedule resume reports/nightly
    """
    _switch(session, name, resume=True)


@schedule.command("run")
@click.argument("name", metavar="[QUEUE/]NAME", shell_complete=schedule_names)
@speaks_to_redis
@click.pass_obj
def run(session: Session, name: str) -> None:
    """Enqueue the job of a schedule now, beside its ticks; also of a paused one.

    \b
    Example:
      jqctl schedule run reports/nightly
    """
    parse_ref(name)
    with session.acting() as store:
        queue, planned = find_schedule(store, name)
        job = new_run(planned)
        made = store_job(store, queue, job)
    said = "enqueued" if made.created else "an earlier run has not ended, nothing added:"
    answer = {"schedule": planned.name, "queue": queue, "id": made.id, "created": made.created}
    session.show(answer, [f"{said} {queue}/{made.id}"], [f"{queue}/{made.id}"])


def _switch(session: Session, name: str, *, resume: bool) -> None:
    parse_ref(name)
    with session.acting() as store:
        queue, planned = find_schedule(store, name)
        changed = store.run(suspend(queue, planned.name, resume=resume))
    if changed < 0:
        raise NotFound(f"there is no schedule {name}", hint=_NO_SUCH)
    state = "resumed" if resume else "paused"
    said = state if changed else f"{'not paused' if resume else 'paused'} already"
    answer = {"schedule": planned.name, "queue": queue, "paused": not resume, "changed": changed == 1}
    session.show(answer, [f"schedule {queue}/{planned.name}: {said}"], [f"{queue}/{planned.name}"])


def find_schedule(store: Store, reference: str) -> tuple[str, Planned]:
    """Return the queue of a schedule and the schedule, named as ``queue/name`` or by its name alone.

    Raises: InvalidName, NotFound; Conflict when several queues have one of that name.
    """
    queue, name = parse_ref(reference)
    queues = [queue] if queue else known_queues(store)
    agendas = store.run_all([agenda(each) for each in queues])
    found = [
        (each, planned)
        for each, answer in zip(queues, agendas, strict=True)
        for planned in answer.schedules or ()
        if planned.name == name
    ]
    if not found:
        raise NotFound(f"there is no schedule {reference}", hint=_NO_SUCH)
    if len(found) > 1:
        several = ", ".join(f"{each}/{name}" for each, _ in found)
        raise Conflict(f"several queues have a schedule {name}", hint=f"say which one: {several}")
    return found[0]


def new_run(planned: Planned) -> NewJob:
    """Return the job that a tick of a schedule would enqueue, under an id of its own. Raises: Conflict."""
    entry = planned.entry or {}
    job, payload, fields = string(entry.get("job")), string(entry.get("payload")), entry.get("fields") or ()
    if job is None or payload is None or not isinstance(fields, Sequence):
        raise Conflict(
            f"the entry of schedule {planned.name} cannot be read", hint="was it written by a newer version?"
        )
    key = f"schedule:{planned.name}" if entry.get("overlap") is False else ""
    priority = integer(entry.get("priority")) or 0
    return NewJob(job, payload.encode(), new_id(), priority, "", key, tuple(map(str, fields)))
