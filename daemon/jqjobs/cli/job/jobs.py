"""`jqctl job …`: the group, and listing jobs."""

from __future__ import annotations

from collections.abc import Iterator

import click

from jqjobs.base.clock import format_age
from jqjobs.base.words import plural
from jqjobs.cli.job.cancel import cancel_jobs
from jqjobs.cli.job.enqueue import enqueue
from jqjobs.cli.job.files import export_jobs, import_jobs
from jqjobs.cli.job.moving import move_jobs
from jqjobs.cli.job.removing import delete_jobs, promote_jobs
from jqjobs.cli.job.resolve import resolve
from jqjobs.cli.job.retry import retry
from jqjobs.cli.job.run import run
from jqjobs.cli.job.selecting import Said, selects_jobs
from jqjobs.cli.job.show import show
from jqjobs.cli.names import queue_option
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.tables import Column, Part, Table
from jqjobs.cli.watching import watchable
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import State
from jqjobs.operations.jobs import jobs_json, raw_json
from jqjobs.operations.queues import require_queue
from jqjobs.store.reads.raw import RAW_PAGES, RawPage
from jqjobs.store.reads.search import JobPage, JobRow, read_cursor
from jqjobs.store.steps import run_steps
from jqjobs.store.whole_queues import find_in_places

_STATES = tuple(state.value for state in State)
_MOST_ROWS = 500
#: What the time in a list means, state by state.
_WHEN = {
    "scheduled": "DUE IN",
    "dead": "DIED",
    "parked": "PARKED",
    "moving": "LEFT",
    "kept": "KEPT FOR",
    "waiting": "UNTIL",
}


@click.group("job")
def job() -> None:
    """Enqueue, run, show, list, promote, move, cancel, retry, resolve, delete, export and import jobs."""


job.add_command(enqueue)
job.add_command(show)
job.add_command(run)
job.add_command(retry)
job.add_command(cancel_jobs)
job.add_command(resolve)
job.add_command(promote_jobs)
job.add_command(delete_jobs)
job.add_command(export_jobs)
job.add_command(import_jobs)
job.add_command(move_jobs)


@job.command("list")
@queue_option("The queue to look into.", default="default", show_default=True)
@click.option("--state", type=click.Choice([*_STATES, *RAW_PAGES]), help="Jobs in this state; in any, unless given.")
@selects_jobs
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _MOST_ROWS), help="At most so many.")
@click.option("--cursor", metavar="TEXT", help="Where the page before ended, as it said.")
@speaks_to_redis
@click.pass_obj
@watchable
def list_jobs(session: Session, queue: str, state: str | None, said: Said, limit: int, cursor: str | None) -> None:
    """List the jobs of a queue that are selected, a page at a time.

    Ready jobs come in the order they will run, others oldest first. A page that little matches may be short, or
    empty, and not the last one: it says how many jobs it has searched, and how to go on. "inbox" and "rejected" list
    raw envelopes that are not jobs yet, or could not become any (the latest first).

    \b
    Examples:
      jqctl job list --queue emails --state dead
      jqctl job list --queue emails --name send_welcome --error SMTPError --since 2h
      jqctl job list --queue emails --state rejected --json
    """
    if state in RAW_PAGES:
        if said.anything:
            raise click.UsageError(f"in {state} there are no jobs yet, so nothing can be selected")
        _list_raw(session, queue, state, limit, _offset(cursor))
        return
    place = None if cursor is None else read_cursor(cursor)
    with session.store() as store:
        require_queue(store, queue)
        page = run_steps(store.run, find_in_places(queue, said.selector(store, state), limit, place))
    session.show(jobs_json(page), job_parts(page, queue, state), [row.ref for row in page.rows])


def _list_raw(session: Session, queue: str, state: str, limit: int, offset: int) -> None:
    with session.store() as store:
        require_queue(store, queue)
        page = RAW_PAGES[state](store, queue, offset, limit)
        session.show(raw_json(page, queue, state), _raw_parts(page, queue, state), ())


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 15):
        raise InvalidOption(f"--cursor {cursor!r} is not what a page before ended with")
    return int(cursor)


def job_parts(page: JobPage, queue: str, state: str | None) -> Iterator[Part]:
    """Return a page of jobs as a table. ``state``: what all of them are; None: each its own."""
    if page.rows:
        columns = (
            Column("ID"), Column("NAME", flexible=True), *([] if state else [Column("STATE")]),
            Column("PRIORITY", right=True, goes=1), Column(_WHEN.get(state or "", "ENQUEUED"), right=True),
            Column("RUNS", right=True, goes=2), Column("WORKER" if state == "active" else "ERROR", flexible=True),
            Column("KEY", flexible=True, wide=True), Column("TAGS", flexible=True, wide=True),
            Column("GROUP", flexible=True, wide=True),
        )  # fmt: skip
        yield Table(columns, [_cells(row, page.now_ms, state) for row in page.rows])
    yield from _end(page, f"{state} in queue {queue}" if state else f"in queue {queue}")


def _cells(row: JobRow, now_ms: int, state: str | None) -> list[str]:
    at_ms = row.enqueued_ms if state is None or row.at_ms is None else row.at_ms
    when = "-" if at_ms is None else format_age(abs(at_ms - now_ms) / 1000)
    held_by = f"held by {row.held_by}" if row.held_by else ""
    error = held_by or ": ".join(filter(None, (row.reason, row.error)))
    name = "(record is missing)" if row.name is None else row.name
    states = [] if state else [row.state]
    last = row.worker or error or "-"
    marks = [row.key or "-", " ".join(row.tags) or "-", row.group or "-"]
    return [row.id, name, *states, str(row.priority), when, str(row.executions), last, *marks]


def _end(page: JobPage, where: str) -> Iterator[str]:
    more = f"; the next page: --cursor {page.cursor}" if page.cursor else ""
    if page.searched > len(page.rows):
        yield f"{plural(len(page.rows), 'job')} found {where}: searched {page.searched} of {page.total}{more}"
    elif not page.rows:
        yield f"no job {where}" if not page.total else f"no further job {where}"
    elif more:
        yield f"{plural(page.total, 'job')} {where}{more}"


def _raw_parts(page: RawPage, queue: str, state: str) -> Iterator[Part]:
    if page.entries:
        columns = (Column("BYTES", right=True), Column("REASON", flexible=True), Column("ENVELOPE", flexible=True))
        cells = [[str(entry.size_bytes), entry.reason or "-", entry.text[:1000]] for entry in page.entries]
        yield Table(columns, cells)
    where = f"in {state} of queue {queue}"
    if not page.entries:
        yield f"no envelope {where}" if not page.total else f"no further envelope {where}"
    elif page.next_offset is not None:
        yield f"{plural(page.total, 'envelope')} {where}; the next page: --cursor {page.next_offset}"
