"""`jqctl audit`: who did what."""

from __future__ import annotations

import click

from jqjobs.base.words import moment
from jqjobs.cli.session import WITHOUT_IDS, Session, speaks_to_redis
from jqjobs.cli.tables import Column, Table
from jqjobs.store.calls.audit import Note, read_notes

_COLUMNS = (Column("WHEN"), Column("WHO"), Column("ACT"), Column("GIVEN", flexible=True))


@click.command("audit")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@speaks_to_redis
@click.pass_obj
def audit(session: Session, limit: int) -> None:
    """Show who did what with jqctl, the latest first: what steers queues, jobs, schedules and daemons, or destroys.

    The last 1,000 acts are known, those that failed too. Who did it is user@host of the command: said, not proven.

    \b
    Examples:
      jqctl audit
      jqctl audit --json | jq '.acts[] | select(.act == "job delete")'
    """
    session.answers_in(*WITHOUT_IDS)
    with session.store() as store:
        notes = read_notes(store, limit)
    rows = [[moment(note.at_ms), note.who, note.act, _given(note)] for note in notes]
    session.show({"acts": [note._asdict() for note in notes]}, [Table(_COLUMNS, rows)] if rows else ["Nothing yet."])


def _given(note: Note) -> str:
    lists = {name: value if isinstance(value, list) else [value] for name, value in note.given.items()}
    said = [f"{name}={','.join(map(str, values))}" for name, values in lists.items()]
    return " ".join([*said, f"failed: {note.error}"] if note.error else said)
