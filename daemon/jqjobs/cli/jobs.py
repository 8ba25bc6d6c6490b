"""`jqctl job …`: the group, and listing jobs by state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from jqjobs.base.clock import format_age
from jqjobs.cli.cancel import cancel_jobs
from jqjobs.cli.enqueue import enqueue
from jqjobs.cli.output import plural
from jqjobs.cli.removing import delete_jobs, promote_jobs
from jqjobs.cli.resolve import resolve
from jqjobs.cli.retry import retry
from jqjobs.cli.run import run
from jqjobs.cli.session import Session, require_queue, speaks_to_redis
from jqjobs.cli.show import show
from jqjobs.cli.tables import Column, Part, Table
from jqjobs.cli.watching import watchable
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import State, check_name
from jqjobs.store.reads import raw
from jqjobs.store.reads.jobs import JobPage, JobRow, job_list
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.reads.raw import RawPage

_STATES = tuple(state.value for state in State)
_RAW = {"inbox": raw.inbox_page, "rejected": raw.rejected_page}
_MOST_ROWS = 500
#: What the time in a list means, state by state.
_WHEN = {"scheduled": "DUE IN", "dead": "DIED", "parked": "PARKED", "kept": "KEPT FOR", "waiting": "UNTIL"}


@click.group("job")
def job() -> None:
    """Enqueue, run, show, list, promote, cancel, retry, resolve and delete jobs."""


job.add_command(enqueue)
job.add_command(show)
job.add_command(run)
job.add_command(retry)
job.add_command(cancel_jobs)
job.add_command(resolve)
job.add_command(promote_jobs)
job.add_command(delete_jobs)


@job.command("list")
@click.option("--queue", default="default", show_default=True, metavar="NAME", help="The queue to look into.")
@click.option("--state", required=True, type=click.Choice([*_STATES, *_RAW]), help="Jobs in this state.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _MOST_ROWS), help="At most so many.")
@click.option("--cursor", metavar="TEXT", help="Where the page before ended, as it said.")
@speaks_to_redis
@click.pass_obj
@watchable
def list_jobs(session: Session, queue: str, state: str, limit: int, cursor: str | None) -> None:
    """List the jobs of a queue that are in one state, a page at a time.

    Ready jobs come in the order they will run, others oldest first. "inbox" and "rejected" list raw envelopes
    that are not jobs yet, or could not become any (the latest first). While jobs come and go, pages may overlap.

    \b
    Examples:
      jqctl job list --queue emails --state dead
      jqctl job list --queue emails --state scheduled --limit 10 --cursor 10
      jqctl job list --queue emails --state rejected --json
    """
    check_name(queue, "queue")
    offset = _offset(cursor)
    with session.store() as store:
        require_queue(store, queue)
        if state in _RAW:
            raw_page = _RAW[state](store, queue, offset, limit)
            session.show(_raw_json(raw_page, queue, state), _raw_parts(raw_page, queue, state))
        else:
            page = store.run(job_list(queue, state, offset, limit))
            now_ms = 0 if session.as_json else server_now_ms(store)
            ids = [f"{queue}/{row.id}" for row in page.rows]
            session.show(_jobs_json(page), job_parts(page, queue, state, now_ms), ids)


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 15):
        raise InvalidOption(f"--cursor {cursor!r} is not what a page before ended with")
    return int(cursor)


def _jobs_json(page: JobPage) -> dict[str, Any]:
    return _answer([row._asdict() for row in page.rows], page)


def _answer(jobs: list[dict[str, Any]], page: JobPage | RawPage) -> dict[str, Any]:
    cursor = None if page.next_offset is None else str(page.next_offset)
    return {"jobs": jobs, "cursor": cursor, "total": page.total}


def job_parts(page: JobPage, queue: str, state: str, now_ms: int) -> Iterator[Part]:
    """Return a page of jobs as a table."""
    if page.rows:
        columns = (
            Column("ID"), Column("NAME", flexible=True), Column("PRIORITY", right=True, goes=1),
            Column(_WHEN.get(state, "ENQUEUED"), right=True), Column("RUNS", right=True, goes=2),
            Column("WORKER" if state == "active" else "ERROR", flexible=True),
        )  # fmt: skip
        yield Table(columns, [_cells(row, now_ms) for row in page.rows])
    yield from _end(page, len(page.rows), f"{state} in queue {queue}", "job")


def _cells(row: JobRow, now_ms: int) -> list[str]:
    at_ms = row.enqueued_ms if row.at_ms is None else row.at_ms
    when = "-" if at_ms is None else format_age(abs(at_ms - now_ms) / 1000)
    held_by = f"held by {row.held_by}" if row.held_by else ""
    error = held_by or ": ".join(filter(None, (row.reason, row.error)))
    name = "(record is missing)" if row.name is None else row.name
    return [row.id, name, str(row.priority), when, str(row.executions), row.worker or error or "-"]


def _end(page: JobPage | RawPage, shown: int, where: str, what: str) -> Iterator[str]:
    if not shown:
        yield f"no {what} {where}" if not page.total else f"no further {what} {where}"
    elif page.next_offset is not None:
        yield f"{plural(page.total, what)} {where}; the next page: --cursor {page.next_offset}"


def _raw_json(page: RawPage, queue: str, state: str) -> dict[str, Any]:
    place = {"id": None, "name": None, "queue": queue, "state": state}
    return _answer([place | entry._asdict() for entry in page.entries], page)


def _raw_parts(page: RawPage, queue: str, state: str) -> Iterator[Part]:
    if page.entries:
        columns = (Column("BYTES", right=True), Column("REASON", flexible=True), Column("ENVELOPE", flexible=True))
        cells = [[str(entry.size_bytes), entry.reason or "-", entry.text[:1000]] for entry in page.entries]
        yield Table(columns, cells)
    yield from _end(page, len(page.entries), f"in {state} of queue {queue}", "envelope")
