"""`jqctl job cancel`: jobs end for good, some by id or all of a queue in one state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from jqjobs.cli.bulk import CHUNK, Tally, all_in_state, complain_of, each_named, pages
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.lookup import find, missing
from jqjobs.cli.output import plural
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.errors import Conflict
from jqjobs.jobs.records import State, check_name
from jqjobs.store.calls.cancels import CancelAnswer, cancel
from jqjobs.store.store import Store

_STATES = tuple(state.value for state in State if state not in (State.KEPT, State.DEAD))
_SAID = {CancelAnswer.CANCELLED: "is cancelled", CancelAnswer.CANCELLING: "is being cancelled: a worker holds it"}


@click.command("cancel")
@click.argument("jobs", nargs=-1, metavar="[ID]...")
@click.option("--queue", metavar="NAME", help="With --state and --all: the queue.")
@click.option("--state", type=click.Choice(_STATES), help="With --queue and --all: the state.")
@click.option("--all", "every", is_flag=True, help="As many jobs as are in that state when the command starts.")
@speaks_to_redis
@click.pass_obj
def cancel_jobs(session: Session, jobs: tuple[str, ...], queue: str | None, state: str | None, every: bool) -> int:
    """Cancel jobs for good: each is dead, with the reason "cancelled".

    ID is queue/id or the id alone. What waits is dead at once. In a running job JobCancelled is raised; if it does
    not heed that within the daemon's --kill-after, its worker is killed. One that succeeds first is a success.
    `job retry --all-dead` leaves cancelled jobs out; `job retry ID` does not.

    Exit code 0: all are or will be dead; 5: some do not exist; 6: some were over already.

    \b
    Examples:
      jqctl job cancel emails/5d0c8a1b2c3d4e5f6071
      jqctl job cancel --queue emails --state scheduled --all
    """
    if jobs and not (queue or state or every):
        return _cancel_named(session, jobs)
    if jobs or not (queue and state and every):
        raise click.UsageError("give either ids, or --queue NAME --state STATE --all")
    return _cancel_state(session, check_name(queue, "queue"), state)


def _cancel_named(session: Session, jobs: Sequence[str]) -> int:
    answers, refused = each_named(session, jobs, cancel_one)
    done = dict(answers)
    answer = {
        "cancelled": [job for job in done if done[job] is CancelAnswer.CANCELLED],
        "cancelling": [job for job in done if done[job] is CancelAnswer.CANCELLING],
        "refused": [each.as_json() for each in refused],
    }
    session.show(answer, [f"{job} {_SAID[came_of]}" for job, came_of in done.items()], done)
    return complain_of(session, refused)


def cancel_one(store: Store, reference: str) -> tuple[str, CancelAnswer]:
    """Cancel one job; return it as queue/id, and what came of it. Raises: NotFound, Conflict when it is over."""
    queue, job_id = find(store, reference)
    [answer] = store.run(cancel(queue, [job_id]))
    if answer is CancelAnswer.UNKNOWN:
        raise missing(store, queue, job_id)
    if answer is CancelAnswer.FINISHED:
        raise Conflict(f"{queue}/{job_id} is over already")
    return f"{queue}/{job_id}", answer


def _cancel_state(session: Session, queue: str, state: str) -> int:
    tally = Tally(_words)

    def cancel_all(store: Store) -> None:
        for ids in _ids(store, queue, state, tally):
            tally.came_of.update(store.run(cancel(queue, ids)))

    all_in_state(session, queue, tally, cancel_all)
    answer = {
        "queue": queue, "state": state, "cancelled_count": tally.came_of[CancelAnswer.CANCELLED],
        "cancelling_count": tally.came_of[CancelAnswer.CANCELLING],
    }  # fmt: skip
    session.show(answer, [f"queue {queue}, {state}: {tally}"])
    return Exit.OK


def _ids(store: Store, queue: str, state: str, tally: Tally) -> Iterator[list[str]]:
    """Yield the ids of a state as `cancel` takes them: with the worker, where one holds the job."""
    if state != "active":
        yield from ([row.id for row in rows] for rows in pages(store, queue, state, tally))
        return
    ids: list[str] = []  # those stay where they are for a while, and others come and go: list them all first
    for rows in pages(store, queue, state, tally, ids.__len__):
        ids += [f"{row.id} {row.worker}" for row in rows]
    yield from (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _words(tally: Tally) -> str:
    if not tally.total:
        return "nothing to cancel"
    done, asked = tally.came_of[CancelAnswer.CANCELLED], tally.came_of[CancelAnswer.CANCELLING]
    missed = tally.came_of.total() - done - asked
    text = f"{done} of {plural(tally.total, 'job')} cancelled"
    text += f", {asked} being cancelled by their workers" if asked else ""
    return text + (f", {missed} ended before" if missed else "")
