"""`jqctl job retry`: dead jobs go back to ready, some by id or all of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from jqjobs.cli.exit_codes import Exit, exit_of
from jqjobs.cli.output import complain, plural, write_error
from jqjobs.cli.session import Session, require_queue, speaks_to_redis
from jqjobs.cli.show import find, read_job
from jqjobs.errors import Conflict, JqError, NotFound
from jqjobs.jobs.records import check_name, parse_ref
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.upkeep import Retried
from jqjobs.store.reads.jobs import job_list
from jqjobs.store.store import Store

#: Jobs sent back by one script call.
_CHUNK = 100


@dataclass
class Tally:
    """How far a retry of all dead jobs of a queue got. ``refused``: their key belongs to a newer job.

    ``cancelled``: left out, since that was meant to be final.
    """

    total: int = 0
    seen: int = 0
    retried: int = 0
    refused: int = 0
    cancelled: int = 0

    def __str__(self) -> str:
        text = f"{self.retried} of {plural(self.total, 'dead job')} sent back"
        text += f", {self.cancelled} cancelled ones left out" if self.cancelled else ""
        return f"{text}, {self.refused} refused: a newer job has their key" if self.refused else text


@click.command("retry")
@click.argument("jobs", nargs=-1, metavar="[ID]...")
@click.option("--queue", metavar="NAME", help="With --all-dead: the queue.")
@click.option("--all-dead", is_flag=True, help="Every job that is dead when the command starts, but cancelled ones.")
@speaks_to_redis
@click.pass_obj
def retry(session: Session, jobs: tuple[str, ...], queue: str | None, all_dead: bool) -> int:
    """Send dead jobs back to ready, with all their attempts before them again.

    ID is queue/id or the id alone. The counters of a job stay, its limits start anew. A job is refused when it
    is not dead, or when its coalescing key belongs to a newer job by now.

    Exit code 0: all went back; 5: some do not exist; 6: some were refused.

    \b
    Examples:
      jqctl job retry emails/5d0c8a1b2c3d4e5f6071
      jqctl job retry --queue emails --all-dead
    """
    if all_dead == bool(jobs) or all_dead != bool(queue):
        raise click.UsageError("give either ids, or --queue NAME with --all-dead")
    if queue:
        return _retry_queue(session, check_name(queue, "queue"))
    for job in jobs:
        parse_ref(job)  # a mistyped one is found before the first one goes back
    return _retry_named(session, jobs)


def _retry_named(session: Session, jobs: Sequence[str]) -> int:
    retried: list[str] = []
    refused: list[tuple[str, JqError]] = []
    with session.store() as store:
        for job in jobs:
            try:
                retried.append(retry_one(store, job))
            except (NotFound, Conflict) as error:
                refused.append((job, error))
    answer = {
        "retried": retried, "retried_count": len(retried), "refused_count": len(refused),
        "refused": [{"job": job, "code": why.code, "message": why.message} for job, why in refused],
    }  # fmt: skip
    session.show(answer, [f"{job} is ready again" for job in retried])
    for _, why in refused:
        write_error(why, as_json=session.as_json)
    return max((exit_of(why) for _, why in refused), default=Exit.OK)


def retry_one(store: Store, reference: str) -> str:
    """Send one dead job back and return it as queue/id. Raises: NotFound, Conflict."""
    queue, job_id = find(store, reference)
    [answer] = store.run(upkeep.retry(queue, [job_id]))
    if answer is Retried.KEY_TAKEN:
        raise Conflict(f"the coalescing key of {queue}/{job_id} belongs to a newer job")
    if answer is not Retried.READY:
        raise Conflict(f"{queue}/{job_id} is {read_job(store, queue, job_id).state}, not dead")
    return f"{queue}/{job_id}"


def _retry_queue(session: Session, queue: str) -> int:
    tally = Tally()
    with session.store() as store:
        require_queue(store, queue)
        try:
            retry_all(store, queue, tally)
        except (KeyboardInterrupt, JqError):
            complain(f"jqctl: stopped early: {tally}")
            raise
    answer = {
        "queue": queue, "retried_count": tally.retried, "refused_count": tally.refused,
        "cancelled_count": tally.cancelled,
    }  # fmt: skip
    session.show(answer, [f"queue {queue}: {tally}"])
    return Exit.CONFLICT if tally.refused else Exit.OK


def retry_all(store: Store, queue: str, tally: Tally) -> None:
    """Send back what is dead now, a bounded number a call; ``tally`` tells how far it got.

    It ends although jobs may die again meanwhile: they queue up behind those that were dead at the start.
    """
    tally.total = store.run(job_list(queue, "dead", 0, 0)).total
    while tally.seen < tally.total:
        passed = tally.refused + tally.cancelled
        page = store.run(job_list(queue, "dead", passed, min(_CHUNK, tally.total - tally.seen)))
        if not page.rows:
            break
        wanted = [row.id for row in page.rows if row.reason != "cancelled"]
        answers = store.run(upkeep.retry(queue, wanted)) if wanted else []
        tally.seen += len(page.rows)
        tally.cancelled += len(page.rows) - len(wanted)
        tally.retried += answers.count(Retried.READY)
        tally.refused += answers.count(Retried.KEY_TAKEN)
