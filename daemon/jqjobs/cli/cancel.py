"""`jqctl job cancel`: jobs end for good, some by id or all of a queue in one state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from jqjobs.cli.exit_codes import Exit, exit_of
from jqjobs.cli.output import complain, plural, write_error
from jqjobs.cli.session import Session, require_queue, speaks_to_redis
from jqjobs.cli.show import find
from jqjobs.errors import Conflict, JqError, NotFound
from jqjobs.jobs.records import check_name, parse_ref
from jqjobs.store.calls.cancels import CancelAnswer, cancel
from jqjobs.store.reads.jobs import JobRow, job_list
from jqjobs.store.store import Store

_STATES = ("ready", "scheduled", "active", "held", "waiting", "parked")
#: Jobs cancelled by one script call.
_CHUNK = 50
_SAID = {CancelAnswer.CANCELLED: "is cancelled", CancelAnswer.CANCELLING: "is being cancelled: a worker holds it"}


@dataclass
class Tally:
    """How far cancelling all jobs of one state got. ``missed``: over, or gone on to something else, by then."""

    total: int = 0
    cancelled: int = 0
    cancelling: int = 0
    missed: int = 0

    def count(self, answers: Sequence[CancelAnswer]) -> None:
        """Add what came of some jobs."""
        done, asked = answers.count(CancelAnswer.CANCELLED), answers.count(CancelAnswer.CANCELLING)
        self.cancelled, self.cancelling = self.cancelled + done, self.cancelling + asked
        self.missed += len(answers) - done - asked

    def __str__(self) -> str:
        if not self.total:
            return "nothing to cancel"
        text = f"{self.cancelled} of {plural(self.total, 'job')} cancelled"
        text += f", {self.cancelling} being cancelled by their workers" if self.cancelling else ""
        return text + (f", {self.missed} ended before" if self.missed else "")


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
        for job in jobs:
            parse_ref(job)  # a mistyped one is found before the first one is cancelled
        return _cancel_named(session, jobs)
    if jobs or not (queue and state and every):
        raise click.UsageError("give either ids, or --queue NAME --state STATE --all")
    return _cancel_state(session, check_name(queue, "queue"), state)


def _cancel_named(session: Session, jobs: Sequence[str]) -> int:
    done: dict[str, CancelAnswer] = {}
    refused: list[tuple[str, JqError]] = []
    with session.store() as store:
        for job in jobs:
            try:
                reference, answer = cancel_one(store, job)
                done[reference] = answer
            except (NotFound, Conflict) as error:
                refused.append((job, error))
    answers = {
        "cancelled": [job for job in done if done[job] is CancelAnswer.CANCELLED],
        "cancelling": [job for job in done if done[job] is CancelAnswer.CANCELLING],
        "refused": [{"job": job, "code": why.code, "message": why.message} for job, why in refused],
    }
    session.show(answers, [f"{job} {_SAID[answer]}" for job, answer in done.items()])
    for _, why in refused:
        write_error(why, as_json=session.as_json)
    return max((exit_of(why) for _, why in refused), default=Exit.OK)


def cancel_one(store: Store, reference: str) -> tuple[str, CancelAnswer]:
    """Cancel one job; return it as queue/id, and what came of it. Raises: NotFound, Conflict when it is over."""
    queue, job_id = find(store, reference)
    [answer] = store.run(cancel(queue, [job_id]))
    if answer is CancelAnswer.UNKNOWN:
        raise NotFound(f"there is no job {queue}/{job_id}")
    if answer is CancelAnswer.FINISHED:
        raise Conflict(f"{queue}/{job_id} is over already")
    return f"{queue}/{job_id}", answer


def _cancel_state(session: Session, queue: str, state: str) -> int:
    tally = Tally()
    with session.store() as store:
        require_queue(store, queue)
        try:
            for ids in _pages(store, queue, state, tally):
                tally.count(store.run(cancel(queue, ids)))
        except (KeyboardInterrupt, JqError):
            complain(f"jqctl: stopped early: {tally}")
            raise
    answer = {
        "queue": queue, "state": state, "cancelled_count": tally.cancelled, "cancelling_count": tally.cancelling,
    }  # fmt: skip
    session.show(answer, [f"queue {queue}, {state}: {tally}"])
    return Exit.OK


def _pages(store: Store, queue: str, state: str, tally: Tally) -> Iterator[list[str]]:
    """Yield the ids of a state, a bounded number at a time, no more than there are at the start."""
    tally.total = store.run(job_list(queue, state, 0, 0)).total
    if state == "active":  # those stay where they are for a while, and others come and go
        ids = [f"{row.id} {row.worker}" for row in _rows(store, queue, tally.total)]
        yield from (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
        return
    left = tally.total
    while left > 0 and (page := store.run(job_list(queue, state, 0, min(_CHUNK, left)))).rows:
        left -= len(page.rows)
        yield [row.id for row in page.rows]


def _rows(store: Store, queue: str, most: int) -> Iterator[JobRow]:
    offset: int | None = 0
    while offset is not None and offset < most:
        page = store.run(job_list(queue, "active", offset, _CHUNK))
        yield from page.rows
        offset = page.next_offset
