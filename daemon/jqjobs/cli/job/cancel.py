"""`jqctl job cancel`: jobs end for good, some by id, or all of a queue that are selected."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jqjobs.base.words import plural
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.job.bulk import Bulk, complain_of, do_in_bulk, each_named, tell
from jqjobs.cli.job.selecting import How, Said, acts_on_many
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.operations.acts import cancel_one
from jqjobs.store.bulk import STATES, Act, BulkAnswer
from jqjobs.store.calls.cancels import CancelAnswer

_STATES = tuple(state.value for state in STATES[Act.CANCEL])
_WHICH = "give either ids, or --queue NAME with what selects jobs, such as --name, or with --state STATE --all"
_SAID = {CancelAnswer.CANCELLED: "is cancelled", CancelAnswer.CANCELLING: "is being cancelled: a worker holds it"}


@click.command("cancel")
@click.argument("jobs", nargs=-1, metavar="[ID]...")
@click.option(
    "--state", type=click.Choice(_STATES), help="With --queue: those in this state; else all unfinished ones."
)
@click.option("--all", "every", is_flag=True, help="With --queue and --state alone: every job in that state.")
@acts_on_many
@speaks_to_redis
@click.pass_obj
def cancel_jobs(
    session: Session, jobs: tuple[str, ...], queue: str | None, state: str | None, every: bool, said: Said, how: How
) -> int:
    """Cancel jobs for good: each is dead, with the reason "cancelled".

    ID is queue/id or the id alone. What waits is dead at once. In a running job JobCancelled is raised; if it does
    not heed that within the daemon's --kill-after, its worker is killed. One that succeeds first is a success.
    `job retry --all-dead` leaves cancelled jobs out; `job retry ID` does not. With --queue those that are selected, of
    the jobs that are there when the command starts; it says how many and asks, unless --yes.

    Exit code 0: all are or will be dead; 5: some do not exist; 6: some were over already.

    \b
    Examples:
      jqctl job cancel emails/5d0c8a1b2c3d4e5f6071
      jqctl job cancel --queue emails --name send_welcome --older-than 1d
      jqctl job cancel --queue emails --state scheduled --all --yes
    """
    if queue is None:
        if not jobs or state or every or said.anything or any(how):
            raise click.UsageError(_WHICH)
        return _cancel_named(session, jobs)
    if jobs or every == said.anything or (every and not state):
        raise click.UsageError(_WHICH)
    return _cancel_many(session, Bulk(Act.CANCEL, queue, said, state, how, _words))


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


def _cancel_many(session: Session, bulk: Bulk) -> int:
    answer = do_in_bulk(session, bulk)
    tell(
        session, bulk, answer, state=bulk.state, cancelled_count=answer.count("cancelled"),
        cancelling_count=answer.count("cancelling"),
    )  # fmt: skip
    return Exit.OK


def _words(answer: BulkAnswer) -> str:
    if not answer.matched:
        return "nothing to cancel"
    done, asked = answer.count("cancelled"), answer.count("cancelling")
    missed = answer.matched - done - asked
    text = f"{done} of {plural(answer.matched, 'job')} cancelled"
    text += f", {asked} being cancelled by their workers" if asked else ""
    return text + (f", {missed} ended before" if missed else "")
