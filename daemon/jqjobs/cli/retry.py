"""`jqctl job retry`: dead jobs go back to ready, some by id or all of a queue."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jqjobs.cli.bulk import Tally, all_in_state, complain_of, each_named, pages
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.lookup import find, read_job
from jqjobs.cli.output import plural
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.errors import Conflict
from jqjobs.jobs.records import check_name
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.upkeep import Retried
from jqjobs.store.store import Store

#: What comes of a cancelled job when all dead ones are retried: it stays, since that was meant to be final.
_LEFT_OUT = "cancelled"


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
    return _retry_queue(session, check_name(queue, "queue")) if queue else _retry_named(session, jobs)


def _retry_named(session: Session, jobs: Sequence[str]) -> int:
    retried, refused = each_named(session, jobs, retry_one)
    answer = {
        "retried": retried, "retried_count": len(retried), "refused_count": len(refused),
        "refused": [each.as_json() for each in refused],
    }  # fmt: skip
    session.show(answer, [f"{job} is ready again" for job in retried], retried)
    return complain_of(session, refused)


def retry_one(store: Store, reference: str) -> str:
    """Send one dead job back and return it as queue/id. Raises: NotFound, Conflict."""
    queue, job_id = find(store, reference)
    [answer] = store.run(upkeep.retry(queue, [job_id]))
    if answer is Retried.KEY_TAKEN:
        raise Conflict(
            f"the coalescing key of {queue}/{job_id} belongs to a newer job",
            hint="retry this one when that one has ended, or cancel or delete that one first",
        )
    if answer is not Retried.READY:
        raise Conflict(f"{queue}/{job_id} is {read_job(store, queue, job_id).state}, not dead")
    return f"{queue}/{job_id}"


def _retry_queue(session: Session, queue: str) -> int:
    tally = Tally(_words)
    all_in_state(session, queue, tally, lambda store: _retry_all(store, queue, tally))
    came_of = tally.came_of
    answer = {
        "queue": queue, "retried_count": came_of[Retried.READY], "refused_count": came_of[Retried.KEY_TAKEN],
        "cancelled_count": came_of[_LEFT_OUT],
    }  # fmt: skip
    session.show(answer, [f"queue {queue}: {tally}"])
    return Exit.CONFLICT if came_of[Retried.KEY_TAKEN] else Exit.OK


def _retry_all(store: Store, queue: str, tally: Tally) -> None:
    """Send back what is dead now; what dies again meanwhile queues up behind those that were dead at the start."""

    def still_dead() -> int:
        return tally.came_of[Retried.KEY_TAKEN] + tally.came_of[_LEFT_OUT]

    for rows in pages(store, queue, "dead", tally, still_dead):
        wanted = [row.id for row in rows if row.reason != "cancelled"]
        tally.came_of[_LEFT_OUT] += len(rows) - len(wanted)
        if wanted:
            tally.came_of.update(store.run(upkeep.retry(queue, wanted)))


def _words(tally: Tally) -> str:
    done, refused, left_out = (tally.came_of[each] for each in (Retried.READY, Retried.KEY_TAKEN, _LEFT_OUT))
    text = f"{done} of {plural(tally.total, 'dead job')} sent back"
    text += f", {left_out} cancelled ones left out" if left_out else ""
    return f"{text}, {refused} refused: a newer job has their key" if refused else text
