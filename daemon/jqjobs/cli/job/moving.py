"""`jqctl job move`: jobs go to another queue."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jqjobs.base.words import plural
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.job.bulk import Bulk, complain_of, do_in_bulk, each_named, tell
from jqjobs.cli.job.selecting import How, Said, acts_on_many
from jqjobs.cli.names import queue_names
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.jobs.records import check_name
from jqjobs.operations.lookup import find, missing
from jqjobs.store.bulk import STATES, Act, BulkAnswer
from jqjobs.store.calls import moves
from jqjobs.store.calls.moves import Moved
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store

_STATES = tuple(state.value for state in STATES[Act.MOVE])
_WHICH = "give either ids, or --queue NAME with --state or what selects jobs, such as --error"


@click.command("move")
@click.argument("jobs", nargs=-1, metavar="[ID]...")
@click.option(
    "--to", "target", required=True, metavar="QUEUE", shell_complete=queue_names,
    help="The other queue; it need not exist yet.",
)  # fmt: skip
@click.option("--state", type=click.Choice(_STATES), help="With --queue: those in this state.")
@acts_on_many
@speaks_to_redis
@click.pass_obj
def move_jobs(
    session: Session, jobs: tuple[str, ...], target: str, queue: str | None, state: str | None, said: Said, how: How
) -> int:
    """Move jobs to another queue, with counters and history.

    ID is queue/id or the id alone. A dead job is dead there, a scheduled one due as before; any other is ready there,
    as the latest of its priority. For a day, who asks for the job in the old queue is sent to the new one. With --queue
    those that are selected, of the jobs that are there when the command starts; it says how many and asks, unless
    --yes.

    What a worker has in hand, waits for an answer, or is kept after its success stays; so does a job whose id or
    coalescing key is taken there. If this command is killed half way, a daemon of the old queue finishes what it began.

    Exit code 0: all are there; 5: some do not exist; 6: some stay.

    \b
    Examples:
      jqctl job move emails/5d0c8a1b2c3d4e5f6071 --to emails-later
      jqctl job move --queue emails --state dead --error SMTPError --to graveyard --dry-run
    """
    check_name(target, "queue")
    if queue is not None:
        if jobs or not (state or said.anything):
            raise click.UsageError(_WHICH)
        return _move_many(session, Bulk(Act.MOVE, queue, said, state, how, _words, target))
    if not jobs or state or said.anything or any(how):
        raise click.UsageError(_WHICH)
    return _move_named(session, jobs, target)


def _move_named(session: Session, jobs: Sequence[str], target: str) -> int:
    moved, refused = each_named(session, jobs, lambda store, job: move_one(store, job, target))
    answer = {
        "moved": moved, "moved_count": len(moved), "to": target, "refused": [each.as_json() for each in refused]
    }  # fmt: skip
    session.show(answer, [f"{job} is moved" for job in moved], moved)
    return complain_of(session, refused)


def _move_many(session: Session, bulk: Bulk) -> int:
    answer = do_in_bulk(session, bulk)
    tell(session, bulk, answer, to=bulk.to, moved_count=answer.done)
    return Exit.CONFLICT if answer.done < answer.matched and not bulk.how.dry_run else Exit.OK


def _words(answer: BulkAnswer) -> str:
    stay = answer.matched - answer.done
    return f"{answer.done} of {plural(answer.matched, 'job')} moved" + (f", {stay} stay" if stay else "")


def move_one(store: Store, reference: str, target: str) -> str:
    """Move one job and return it as queue/id of there. Raises: NotFound, Conflict."""
    queue, job_id = find(store, reference)
    [answer] = run_steps(store.run, moves.move_jobs(queue, [job_id], target))
    if answer is Moved.UNKNOWN:
        raise missing(store, queue, job_id)
    moves.check(answer, f"{queue}/{job_id}", target)
    return f"{target}/{job_id}"
