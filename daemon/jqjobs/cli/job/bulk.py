"""Several jobs at once, for `job retry`, `job cancel`, `job delete`, `job move`: those named, or all that are selected.

Owns how they are gone through, how far that got, and that nobody changes many by mistake: it says how many there are
and asks. What is done to them, and how that is told, is the command's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from typing import Any, NamedTuple, TypeVar

import click

from jqjobs.base.words import plural
from jqjobs.cli.exit_codes import Exit, exit_of
from jqjobs.cli.interrupts import term_as_interrupt
from jqjobs.cli.job.progress import Progress
from jqjobs.cli.job.selecting import How, Said
from jqjobs.cli.output import complain, write_error
from jqjobs.cli.session import WITHOUT_IDS, Session, noted
from jqjobs.errors import Conflict, JqError, NotFound
from jqjobs.jobs.records import parse_ref
from jqjobs.jobs.selector import Selector
from jqjobs.operations.queues import require_queue
from jqjobs.store.bulk import Act, BulkAnswer, act_on_all
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store

T = TypeVar("T")


class Refused(NamedTuple):
    """A job that was named, and why nothing was done to it."""

    job: str
    why: JqError

    def as_json(self) -> dict[str, str]:
        """Return the JSON value that ``--json`` shows."""
        return {"job": self.job, "code": self.why.code, "message": self.why.message}


def each_named(session: Session, jobs: Sequence[str], act: Callable[[Store, str], T]) -> tuple[list[T], list[Refused]]:
    """Do something to each job that is named; what came of it, and which refused. Raises: InvalidName before that."""
    for job in jobs:
        parse_ref(job)  # a mistyped one is found before anything is done to the first one
    done: list[T] = []
    refused: list[Refused] = []
    with session.acting() as store:
        for job in jobs:
            try:
                done.append(act(store, job))
            except (NotFound, Conflict) as error:
                refused.append(Refused(job, error))
    return done, refused


def complain_of(session: Session, refused: Sequence[Refused]) -> int:
    """Say on stderr which jobs refused; return the exit code."""
    for each in refused:
        write_error(each.why, as_json=session.as_json)
    return max((exit_of(each.why) for each in refused), default=Exit.OK)


class Bulk(NamedTuple):
    """What is done to many jobs of a queue, as it was asked for. ``words``: tells a person what came of it."""

    act: Act
    queue: str
    said: Said
    state: str | None
    how: How
    words: Callable[[BulkAnswer], str]
    to: str = ""

    @property
    def where(self) -> str:
        """Where the jobs are, for people."""
        return f"queue {self.queue}, {self.state}" if self.state else f"queue {self.queue}"


def do_in_bulk(session: Session, bulk: Bulk) -> BulkAnswer:
    """Do it, once somebody has said yes to how many there are; where it is stopped early, say how far it got.

    Raises: Abort when the answer is no, UsageError where nobody can answer, NotFound, StoreError and its kinds.
    """
    session.answers_in(*WITHOUT_IDS, where="--queue")
    is_asked = not (bulk.how.yes or bulk.how.dry_run)
    if is_asked:
        need_somebody()
    with session.store() as store:
        require_queue(store, bulk.queue)
        selector, until_ms = bulk.said.selector(store, bulk.state), server_now_ms(store)
        if is_asked:
            found = _run(store, bulk._replace(how=bulk.how._replace(dry_run=True)), selector, until_ms)
            ask(f"{bulk.act.capitalize()} {plural(found.matched, 'job')} of queue {bulk.queue}?", yes=not found.matched)
        with nullcontext() if bulk.how.dry_run else noted(store):
            return _run(store, bulk, selector, until_ms)


def _run(store: Store, bulk: Bulk, selector: Selector, until_ms: int) -> BulkAnswer:
    so_far = BulkAnswer()
    with closing(Progress()) as progress:

        def watch(answer: BulkAnswer) -> None:
            nonlocal so_far
            so_far = answer
            progress.show(answer.left)

        steps = act_on_all(
            bulk.queue,
            selector,
            bulk.act,
            to=bulk.to,
            until_ms=until_ms,
            cursor=bulk.how.cursor,
            dry_run=bulk.how.dry_run,
            watch=watch,
        )
        try:
            with term_as_interrupt():
                return run_steps(store.run, steps)
        except (KeyboardInterrupt, JqError):
            goes_on = f"; --cursor {so_far.cursor} goes on" if so_far.cursor else ""
            complain(f"jqctl: stopped early: {bulk.words(so_far)}{goes_on}")
            raise


def tell(session: Session, bulk: Bulk, answer: BulkAnswer, **more: Any) -> None:
    """Show what came of it; ``more``: further facts, in JSON."""
    said = {"queue": bulk.queue, **more, **answer.as_json()}
    if bulk.how.dry_run:
        session.show(said | {"dry_run": True}, [f"{bulk.where}: {plural(answer.matched, 'job')} to {bulk.act}"])
    else:
        session.show(said, [f"{bulk.where}: {bulk.words(answer)}"])


def ask(question: str, *, yes: bool) -> None:
    """Ask a person. Raises: Abort when the answer is no, UsageError where nobody can answer."""
    if not yes:
        need_somebody()
        click.confirm(question, abort=True, err=True)


def is_somebody_there() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def need_somebody() -> None:
    """Raise UsageError where nobody can be asked."""
    if not is_somebody_there():
        raise click.UsageError("nobody can be asked here: say --yes")
