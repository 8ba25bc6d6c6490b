"""`jqctl job export` and `jqctl job import`: jobs as lines of JSON, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import Any, BinaryIO

import click

from jqjobs.base.words import plural
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.interrupts import term_as_interrupt
from jqjobs.cli.job.progress import Progress
from jqjobs.cli.job.selecting import Said, selects_jobs
from jqjobs.cli.names import queue_option
from jqjobs.cli.output import complain, write_json_lines
from jqjobs.cli.session import WITHOUT_IDS, Session, speaks_to_redis
from jqjobs.errors import InvalidArguments, JqError
from jqjobs.jobs.partitions import Partitions
from jqjobs.jobs.records import NewJob, State
from jqjobs.jobs.selector import Selector
from jqjobs.operations.queues import require_queue
from jqjobs.store.calls import upkeep
from jqjobs.store.reads.records import records_of
from jqjobs.store.reads.search import JobRow
from jqjobs.store.reply_values import count, integer, string
from jqjobs.store.spreading import Spreading, chunks
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.store.whole_queues import find_in_places

#: Jobs that are read at once.
_CHUNK = 100
_STATES = tuple(state.value for state in State)


@click.command("export")
@queue_option("The queue to look into.", required=True)
@click.option("--state", type=click.Choice(_STATES), help="Jobs in this state; in any, unless given.")
@selects_jobs
@speaks_to_redis
@click.pass_obj
def export_jobs(session: Session, queue: str, state: str | None, said: Said) -> None:
    """Write the jobs that are selected to stdout, one JSON object a line; nothing is changed.

    Each line has what the job was asked to do and what became of it; `jqctl job import` enqueues it anew.

    \b
    Example:
      jqctl job export --queue emails --state dead --error SMTPError > dead.jsonl
    """
    session.answers_in(*WITHOUT_IDS)
    with session.store() as store, closing(Progress()) as progress:
        require_queue(store, queue)
        for lines, left in _exported(store, queue, said.selector(store, state)):
            write_json_lines(lines)
            progress.show(left)


def _exported(store: Store, queue: str, selector: Selector) -> Iterator[tuple[list[bytes], int]]:
    """Yield lines, and how many jobs of that state are still to be looked at."""
    from jqjobs.jobs.exported import line_of

    cursor = None
    while True:
        page = run_steps(store.run, find_in_places(queue, selector, _CHUNK, cursor))
        found = records_of(store, page.rows)
        yield [line_of(_facts(row, record), record.get("payload", b"")) for row, record in found], page.left
        if (cursor := page.cursor) is None:
            return


def _facts(row: JobRow, record: dict[str, Any]) -> dict[str, Any]:
    from jqjobs.jobs.exported import Options

    names = Options.__struct_fields__
    options = {name: string(record[name]) if name == "limits" else integer(record[name])
               for name in names if name in record}  # fmt: skip
    coalesce = {"coalesce": string(record["coalesce"])} if "coalesce" in record else {}
    return {
        "id": row.id, "queue": row.queue, "name": row.name, "state": row.state, "priority": row.priority,
        "key": row.key, "tags": row.tags, "group": row.group, **coalesce, "options": options,
        "enqueued_ms": row.enqueued_ms, "due_ms": row.due_ms, "since_ms": row.since_ms, "attempt": row.attempt,
        "executions": row.executions, "failures": count(record.get("failures")), "error": row.error,
        "reason": row.reason,
    }  # fmt: skip


@click.command("import")
@click.argument("file", type=click.File("rb"), default="-")
@queue_option("Into this queue, instead of those that the lines name.")
@speaks_to_redis
@click.pass_obj
def import_jobs(session: Session, file: BinaryIO, queue: str | None) -> int:
    """Enqueue jobs anew that `jqctl job export` wrote, from FILE or stdin.

    Each has its old id, so one that is there already is left as it is, and an import may be repeated. Those that were
    scheduled are due at their moment, all others now; what became of them before does not come along.

    Exit code 0: all are there; 2: a line is no job, and how many were imported before is said.

    \b
    Examples:
      jqctl job import dead.jsonl
      jqctl job import --queue emails-later < dead.jsonl
    """
    session.answers_in(*WITHOUT_IDS)
    made = Counter[bool]()
    with session.store() as store:
        try:
            with term_as_interrupt():
                _import_all(store, _read(file, queue), made)
        except (KeyboardInterrupt, JqError):
            complain(f"jqctl: stopped early: {_words(made)}")
            raise
    session.show({"imported_count": made[True], "present_count": made[False]}, [_words(made)])
    return Exit.OK


def _import_all(store: Store, read: Iterable[tuple[str, NewJob]], made: Counter[bool]) -> None:
    """Enqueue jobs, and count in ``made`` which of them are new."""
    known: dict[str, Partitions] = {}
    for queue, jobs in groupby(read, key=itemgetter(0)):
        store.run(upkeep.add_queues([queue]))
        for portion in chunks(job for _, job in jobs):
            stored = run_steps(store.run, Spreading(known, queue, portion).enqueue())
            made.update(each.created is True for each in stored)


def _words(made: Counter[bool]) -> str:
    return f"{plural(made[True], 'job')} imported" + (f", {made[False]} there already" if made[False] else "")


def _read(lines: Iterable[bytes], queue: str | None) -> Iterator[tuple[str, NewJob]]:
    """Yield the jobs of lines, each with the queue it goes to. Raises: JqError for a line that is no job."""
    from jqjobs.jobs.exported import read_line

    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                named, job = read_line(line)
            except JqError as error:
                raise InvalidArguments(f"line {number}: {error}") from None
            yield queue or named, job
