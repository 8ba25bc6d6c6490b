"""`jqctl job retry`: dead jobs go back to ready, some by id, or all of a queue that are selected."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jqjobs.base.words import plural
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.job.bulk import Bulk, complain_of, do_in_bulk, each_named, is_somebody_there, tell
from jqjobs.cli.job.selecting import How, Said, acts_on_many
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.operations.acts import retry_one
from jqjobs.store.bulk import Act, BulkAnswer

_WHICH = "give either ids, or --queue NAME with --all-dead or what selects jobs, such as --error"


@click.command("retry")
@click.argument("jobs", nargs=-1, metavar="[ID]...")
@click.option("--all-dead", is_flag=True, help="With --queue alone: every dead job.")
@acts_on_many
@speaks_to_redis
@click.pass_obj
def retry(session: Session, jobs: tuple[str, ...], queue: str | None, all_dead: bool, said: Said, how: How) -> int:
    """Send dead jobs back to ready, with all their attempts before them again.

    ID is queue/id or the id alone. The counters of a job stay, its limits start anew. A job is refused when it
    is not dead, or when its coalescing key belongs to a newer job by now. With --queue those that are selected go
    back, of those that are dead when the command starts; not what somebody has cancelled, unless --error cancelled. It
    says how many and asks, unless --yes; with --all-dead it goes on where nobody can be asked.

    Exit code 0: all went back; 5: some do not exist; 6: some were refused.

    \b
    Examples:
      jqctl job retry emails/5d0c8a1b2c3d4e5f6071
      jqctl job retry --queue emails --name send_welcome --error SMTPError --since 2h --dry-run
      jqctl job retry --queue emails --all-dead
    """
    if queue is None:
        if not jobs or all_dead or said.anything or any(how):
            raise click.UsageError(_WHICH)
        return _retry_named(session, jobs)
    if jobs or all_dead == said.anything:
        raise click.UsageError(_WHICH)
    how = how._replace(yes=how.yes or (all_dead and not is_somebody_there()))
    return _retry_many(session, Bulk(Act.RETRY, queue, said, None, how, _words))


def _retry_named(session: Session, jobs: Sequence[str]) -> int:
    retried, refused = each_named(session, jobs, retry_one)
    answer = {
        "retried": retried, "retried_count": len(retried), "refused_count": len(refused),
        "refused": [each.as_json() for each in refused],
    }  # fmt: skip
    session.show(answer, [f"{job} is ready again" for job in retried], retried)
    return complain_of(session, refused)


def _retry_many(session: Session, bulk: Bulk) -> int:
    answer = do_in_bulk(session, bulk)
    refused = answer.count("key_taken")
    tell(
        session, bulk, answer, retried_count=answer.done, refused_count=refused,
        cancelled_count=answer.count("left_out"),
    )  # fmt: skip
    return Exit.CONFLICT if refused else Exit.OK


def _words(answer: BulkAnswer) -> str:
    refused, left_out = answer.count("key_taken"), answer.count("left_out")
    text = f"{answer.done} of {plural(answer.matched + left_out, 'dead job')} sent back"
    text += f", {left_out} cancelled ones left out" if left_out else ""
    return f"{text}, {refused} refused: a newer job has their key" if refused else text
