"""`jqctl job resolve`: an answer for a job that waits for a third party."""

from __future__ import annotations

import click

from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.jobs.records import parse_ref
from jqjobs.operations.acts import resolve_one
from jqjobs.operations.arguments import result_of
from jqjobs.store.calls import waits


@click.command("resolve")
@click.argument("job", metavar="ID")
@click.option("--token", default="", metavar="TEXT", help="What the job gave away; needed while it still runs.")
@click.option("--result", metavar="JSON", help="It succeeded, with this result. Default: null.")
@click.option("--error", metavar="TEXT", help="It failed, and is retried like any other.")
@speaks_to_redis
@click.pass_obj
def resolve(session: Session, job: str, token: str, result: str | None, error: str | None) -> None:
    """Answer for a job that handed its work to a third party and waits.

    ID is queue/id or the id alone. An answer with the token of an attempt that still runs is kept until it waits.

    Exit code 0: answered; 5: there is no such job; 6: it does not wait, or the token is not its own.

    \b
    Examples:
      jqctl job resolve videos/5d0c8a1b2c3d4e5f6071 --result '{"url": "https://example.org/1.mp4"}'
      jqctl job resolve 5d0c8a1b2c3d4e5f6071 --token d8E0xQ --error 'the codec is not known'
    """
    if result is not None and error is not None:
        raise click.UsageError("give --result or --error, not both")
    parse_ref(job)
    encoded = result_of(result or "null")
    with session.acting() as store:
        ref, answer = resolve_one(store, job, token, encoded, error)
    said = "is answered" if answer == waits.RESOLVED else "still runs; the answer is kept until it waits"
    session.show({"job": ref, "answer": answer}, [f"{ref} {said}"], [ref])
