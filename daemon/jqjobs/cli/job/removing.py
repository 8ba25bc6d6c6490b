"""`jqctl job delete` and `jqctl job promote`: jobs that are wanted no more, and jobs that are wanted now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from jqjobs.base.words import plural
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.job.bulk import Bulk, ask, complain_of, do_in_bulk, each_named, tell
from jqjobs.cli.job.selecting import How, Said, acts_on_many
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.operations.acts import delete_one, promote_one
from jqjobs.store.bulk import STATES, Act, BulkAnswer
from jqjobs.store.store import Store

_STATES = tuple(state.value for state in STATES[Act.DELETE])
_WHICH = "give either ids, or --queue NAME --state STATE and what selects jobs, such as --error"


@click.command("delete")
@click.argument("jobs", nargs=-1, metavar="[ID]...")
@click.option("--state", type=click.Choice(_STATES), help="With --queue: those in this state.")
@acts_on_many
@speaks_to_redis
@click.pass_obj
def delete_jobs(
    session: Session, jobs: tuple[str, ...], queue: str | None, state: str | None, said: Said, how: How
) -> int:
    """Delete jobs with all that is known of them: no state, no history, no result stays, and their keys are free.

    ID is queue/id or the id alone. What a worker has in hand is refused: cancel it first. With --queue and --state
    those that are selected, of the jobs that are there when the command starts. It says how many and asks, unless
    --yes.

    Exit code 0: all are gone; 5: some do not exist; 6: some were refused.

    \b
    Examples:
      jqctl job delete emails/5d0c8a1b2c3d4e5f6071
      jqctl job delete --queue emails --state dead --error SMTPError --older-than 7d --dry-run
      jqctl job list --queue emails --state dead -o ids | xargs jqctl job delete --yes
    """
    if queue is not None:
        if jobs or not state:
            raise click.UsageError(_WHICH)
        return _delete_many(session, Bulk(Act.DELETE, queue, said, state, how, _words))
    if not jobs or state or said.anything or how.dry_run or how.cursor:
        raise click.UsageError(_WHICH)
    ask(f"Delete {plural(len(jobs), 'job')} for good?", yes=how.yes)
    return _do(session, jobs, delete_one, "deleted", "is deleted")


def _delete_many(session: Session, bulk: Bulk) -> int:
    answer = do_in_bulk(session, bulk)
    tell(session, bulk, answer, state=bulk.state, deleted_count=answer.done)
    return Exit.OK


def _words(answer: BulkAnswer) -> str:
    missed = answer.matched - answer.done
    return f"{plural(answer.done, 'job')} deleted" + (f", {missed} not there any more" if missed else "")


def _do(session: Session, jobs: Sequence[str], act: Callable[[Store, str], str], word: str, said: str) -> int:
    """Act on each job that is named, and tell: ``word`` in JSON, ``said`` to a person. Returns the exit code."""
    done, refused = each_named(session, jobs, act)
    answer = {word: done, f"{word}_count": len(done), "refused": [each.as_json() for each in refused]}
    session.show(answer, [f"{job} {said}" for job in done], done)
    return complain_of(session, refused)


@click.command("promote")
@click.argument("jobs", nargs=-1, required=True, metavar="ID...")
@speaks_to_redis
@click.pass_obj
def promote_jobs(session: Session, jobs: tuple[str, ...]) -> int:
    """Make scheduled jobs due now, retries that wait for their next try among them.

    ID is queue/id or the id alone.

    Exit code 0: all are ready; 5: some do not exist; 6: some were not scheduled.

    \b
    Example:
      jqctl job promote emails/5d0c8a1b2c3d4e5f6071
    """
    return _do(session, jobs, promote_one, "promoted", "is due now")
