"""`jqctl schedule …`: list, pause, resume and run what runs by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from jqjobs.cli.output import Column, complain, moment, table
from jqjobs.cli.session import Session, require_queue, speaks_to_redis
from jqjobs.errors import Conflict, JqError, NotFound, StoreError
from jqjobs.jobs.records import NewJob, check_name, new_id, parse_ref
from jqjobs.store.calls import enqueueing
from jqjobs.store.calls.schedules import Planned, agenda, suspend
from jqjobs.store.reads.jobs import JobInfo, job_info
from jqjobs.store.reads.queues import known_queues
from jqjobs.store.reply_values import integer, string
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

if TYPE_CHECKING:
    from jqjobs.jobs.timetable import Timetable

_NO_SUCH = "see jqctl schedule list; a schedule is there once a worker that has it in its code was ready"


class Listed(NamedTuple):
    """A schedule with what is made of it. ``broken``: why its entry cannot be used here."""

    queue: str
    planned: Planned
    times: Timetable | None
    broken: str
    next_ms: int | None
    outcome: str | None

    @property
    def ref(self) -> str:
        """``queue/name``, as commands take it."""
        return f"{self.queue}/{self.planned.name}"


@click.group("schedule")
def schedule() -> None:
    """List, pause, resume and run periodic jobs."""


@schedule.command("list")
@click.option("--queue", metavar="NAME", help="Only schedules of this queue.")
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
    session.show({"schedules": list(map(_as_json, listed))}, schedule_lines(listed))


@schedule.command("pause")
@click.argument("name", metavar="[QUEUE/]NAME")
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
@click.argument("name", metavar="[QUEUE/]NAME")
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
@click.argument("name", metavar="[QUEUE/]NAME")
@speaks_to_redis
@click.pass_obj
def run(session: Session, name: str) -> None:
    """Enqueue the job of a schedule now, beside its ticks; also of a paused one.

    \b
    Example:
      jqctl schedule run reports/nightly
    """
    parse_ref(name)
    with session.store() as store:
        queue, planned = find_schedule(store, name)
        job = new_run(planned)
        made = store.run(enqueueing.enqueue(queue, [job]))[0]
    said = "enqueued" if made.created else "an earlier run has not ended, nothing added:"
    answer = {"schedule": planned.name, "queue": queue, "id": made.id, "created": made.created}
    session.show(answer, [f"{said} {queue}/{made.id}"])


def _switch(session: Session, name: str, *, resume: bool) -> None:
    parse_ref(name)
    with session.store() as store:
        queue, planned = find_schedule(store, name)
        changed = store.run(suspend(queue, planned.name, resume=resume))
    if changed < 0:
        raise NotFound(f"there is no schedule {name}", hint=_NO_SUCH)
    state = "resumed" if resume else "paused"
    said = state if changed else f"{'not paused' if resume else 'paused'} already"
    answer = {"schedule": planned.name, "queue": queue, "paused": not resume, "changed": changed == 1}
    session.show(answer, [f"schedule {queue}/{planned.name}: {said}"])


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


def read_schedules(store: Store, queues: Sequence[str]) -> list[Listed]:
    """Read the schedules of queues, by queue and name. A queue that cannot be read is complained of."""
    found: list[tuple[str, Planned, int]] = []
    for queue, answer in zip(queues, store.run_many([agenda(each) for each in queues]), strict=True):
        if isinstance(answer, StoreError):
            complain(f"jqctl: queue {queue}: {answer.in_one_line()}")
            continue
        by_name = sorted(answer.schedules or (), key=lambda planned: planned.name)
        found += [(queue, planned, answer.now_ms) for planned in by_name]
    runs = raise_first(store.run_many([job_info(queue, planned.ran_id or "-") for queue, planned, _ in found]))
    return [_listed(*item, run) for item, run in zip(found, runs, strict=True)]


def _listed(queue: str, planned: Planned, now_ms: int, run: JobInfo | None) -> Listed:
    from jqjobs.jobs.timetable import read_entry

    outcome = _outcome(run) if planned.ran_id else None
    try:
        times, _ = read_entry(planned.entry or {})
    except JqError as error:
        return Listed(queue, planned, None, error.in_one_line(), None, outcome)
    comes = planned.offered and planned.paused_ms is None
    return Listed(queue, planned, times, "", times.after(now_ms) if comes else None, outcome)


def _outcome(run: JobInfo | None) -> str:
    if run is None:
        return "gone"
    return "succeeded" if run.state == "kept" else run.reason or run.state


def schedule_lines(listed: Sequence[Listed]) -> list[str]:
    """Return what `jqctl schedule list` tells a person."""
    if not listed:
        return ["No schedule is known. Jobs become periodic by @app.periodic(…), once a worker is ready."]
    columns = (
        Column("SCHEDULE", flexible=True), Column("WHEN", flexible=True), Column("NEXT"), Column("LAST TICK"),
        Column("RUN"),
    )  # fmt: skip
    return table(columns, [_row(each) for each in listed])


def _row(each: Listed) -> tuple[str, ...]:
    when = each.broken if each.times is None else str(each.times)
    return each.ref, when, _next(each), moment(each.planned.ran_ms), each.outcome or "-"


def _next(each: Listed) -> str:
    if each.planned.paused_ms is not None:
        return "paused"
    if not each.planned.offered:
        return "no worker has it"
    return "broken" if each.times is None else moment(each.next_ms)


def _as_json(each: Listed) -> dict[str, Any]:
    planned, times, entry = each.planned, each.times, each.planned.entry or {}
    every_ms = times.every_ms if times else 0
    return {
        "name": planned.name, "queue": each.queue, "job": string(entry.get("job")),
        "cron": times.cron or None if times else None, "tz": times.tz if times and times.cron else None,
        "every_s": every_ms / 1000 if every_ms else None, "missed": string(entry.get("missed")),
        "overlap": entry.get("overlap") is not False, "paused": planned.paused_ms is not None,
        "offered": planned.offered, "next_ms": each.next_ms, "last_tick_ms": planned.ran_ms,
        "last_job": planned.ran_id or None, "last_run": each.outcome, "broken": each.broken or None,
    }  # fmt: skip
