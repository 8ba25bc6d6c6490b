"""`jqctl schedule …`: list, show, foresee, add, remove, pause, resume and run what runs by itself."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jqjobs.cli.names import only_queues, schedule_argument
from jqjobs.cli.output import complain
from jqjobs.cli.queue.schedule_add import add
from jqjobs.cli.queue.schedule_report import schedule_parts
from jqjobs.cli.queue.schedule_show import show
from jqjobs.cli.session import WITHOUT_IDS, Session, speaks_to_redis
from jqjobs.errors import StoreError
from jqjobs.operations.queues import queues_meant
from jqjobs.operations.schedules import (
    drop_schedule,
    find_schedule,
    next_ticks,
    read_schedules,
    run_schedule,
    schedule_json,
    switch_schedule,
)
from jqjobs.store.reads.queues import server_now_ms


@click.group("schedule")
def schedule() -> None:
    """List, add, remove, pause, resume and run periodic jobs."""


@schedule.command("list")
@only_queues
@speaks_to_redis
@click.pass_obj
def list_schedules(session: Session, queues: Sequence[str]) -> None:
    """List the schedules of all queues: when each comes next, when it last ran, and what came of that.

    RUN is the state of the job of the last tick; "gone": it succeeded, and was not to be kept. A schedule in code
    comes as long as a live worker has it, one that was added until it is removed. Of these the thousand that come
    next are listed.

    \b
    Examples:
      jqctl schedule list
      jqctl schedule list --queue reports --json
    """
    with session.store() as store:
        listed = read_schedules(store, queues_meant(store, queues), _complain)
    session.show({"schedules": list(map(schedule_json, listed))}, schedule_parts(listed), [each.ref for each in listed])


@schedule.command("next")
@schedule_argument
@click.option("-n", "count", default=5, show_default=True, type=click.IntRange(1, 1000), help="So many ticks.")
@speaks_to_redis
@click.pass_obj
def show_next(session: Session, name: str, count: int) -> None:
    """Show when a schedule comes next, by its timetable: also one that is paused, or that no worker has.

    Moments are in UTC, and in its own time zone where it has one.

    \b
    Example:
      jqctl schedule next reports/nightly -n 10
    """
    session.answers_in(*WITHOUT_IDS)
    with session.store() as store:
        queue, planned = find_schedule(store, name)
        ticks = next_ticks(planned, server_now_ms(store), count)
    answer = {"schedule": planned.name, "queue": queue, "next_ms": [tick.at_ms for tick in ticks]}
    session.show(answer, [str(tick) for tick in ticks] or [f"{queue}/{planned.name} does not come again"])


schedule.add_command(add)
schedule.add_command(show)


@schedule.command("remove")
@schedule_argument
@speaks_to_redis
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Remove a schedule that was added by `jqctl schedule add` or by an application. Jobs that it has made stay.

    \b
    Example:
      jqctl schedule remove reports/digest:42
    """
    with session.acting() as store:
        answer = drop_schedule(store, name)
    ref = f"{answer['queue']}/{answer['schedule']}"
    session.show(answer, [f"schedule {ref}: removed"], [ref])


@schedule.command("pause")
@schedule_argument
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
@schedule_argument
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
@schedule_argument
@speaks_to_redis
@click.pass_obj
def run(session: Session, name: str) -> None:
    """Enqueue the job of a schedule now, beside its ticks; also of a paused one.

    \b
    Example:
      jqctl schedule run reports/nightly
    """
    with session.acting() as store:
        answer = run_schedule(store, name)
    ref = f"{answer['queue']}/{answer['id']}"
    words = "enqueued" if answer["created"] else "an earlier run has not ended, nothing added:"
    session.show(answer, [f"{words} {ref}"], [ref])


def _switch(session: Session, name: str, *, resume: bool) -> None:
    with session.acting() as store:
        answer = switch_schedule(store, name, resume=resume)
    state, ref = "resumed" if resume else "paused", f"{answer['queue']}/{answer['schedule']}"
    said = state if answer["changed"] else f"{'not paused' if resume else 'paused'} already"
    session.show(answer, [f"schedule {ref}: {said}"], [ref])


def _complain(queue: str, error: StoreError) -> None:
    complain(f"jqctl: queue {queue}: {error.in_one_line()}")
