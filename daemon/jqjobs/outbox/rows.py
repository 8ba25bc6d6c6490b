"""Rows of an outbox: read, brought to Redis, deleted. No lock of the database is held across a call to Redis.

    read ──▶ relay ──▶ DELETE ──▶ relayed
       a process that ends in between leaves rows, which somebody brings again: their markers make that harmless

Producers do this with their own rows after a commit, relays and `jqctl outbox run` with those of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import InvalidName, StoreError, StoreFull, StoreUnavailable
from jqjobs.jobs.records import check_name
from jqjobs.outbox.databases import Database
from jqjobs.store.call import Call
from jqjobs.store.calls.flows import acting
from jqjobs.store.calls.relaying import FRESH_MS, MARKER_MS, Relayed, relay, relayed
from jqjobs.store.steps import run_steps

#: Rows are brought in portions of so many, and so many characters.
_MOST, _MOST_CHARACTERS = 100, 256 * 1024
#: So many are read at once, at most.
PAGE = 500
#: Rows that are nearly as old as a marker may be wait for a person: theirs may be gone.
OLDEST_S = MARKER_MS / 1000 - 3600
#: Older than any row.
_ANY_AGE_S = 1e9

Run = Callable[[Call[Any]], Any]


class Row(NamedTuple):
    """One row that is committed."""

    seq: int
    id: str
    queue: str
    envelope: str


def _row(found: Sequence[Any]) -> Row:
    """Return a row as a driver has it: some give bytes for text that is compared by its bytes."""
    seq, *texts = found
    return Row(seq, *[bytes(each).decode() if isinstance(each, (bytes, bytearray)) else each for each in texts])


class Waiting(NamedTuple):
    """What an outbox has. ``old``: rows that no relay brings, see `OLDEST_S`."""

    rows: int
    oldest_s: float
    old: int


def count_waiting(database: Database) -> Waiting:
    """Return how much waits."""
    [(rows, oldest_s, old)] = database.run(database.dialect.counts, (OLDEST_S,))
    return Waiting(int(rows), max(0.0, float(oldest_s or 0)), int(old or 0))


def rows_of(database: Database, ids: Sequence[str]) -> list[Row]:
    """Return the rows with these ids that are committed."""
    found: list[Row] = []
    for at in range(0, len(ids), PAGE):
        some = ids[at : at + PAGE]
        found += [_row(row) for row in database.run(database.dialect.of_ids(len(some)), some)]
    return found


def due_pages(database: Database, least_s: float, *, also_old: bool = False) -> Iterator[list[Row]]:
    """Yield rows that nobody else is about to bring, by pages; each is read when the one before was dealt with.

    ``least_s``: how old rows are whose producer brings them; others are due at once.
    """
    last, most_s = -1, _ANY_AGE_S if also_old else OLDEST_S
    while True:
        page = [_row(row) for row in database.run(database.dialect.due, (last, least_s, most_s, PAGE))]
        if page:
            yield page
        if len(page) < PAGE:
            return
        last = page[-1].seq


@dataclass(slots=True)
class Brought:
    """What became of rows. ``done``: of how many what; ``stuck``, ``bad``: queue, seq → why rows, or this one, stay."""

    done: Counter[Relayed] = field(default_factory=Counter)
    stuck: dict[str, str] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)

    def add(self, other: Brought) -> None:
        """Take what became of more rows."""
        self.done.update(other.done)
        self.stuck.update(other.stuck)
        self.bad.update(other.bad)

    @property
    def brought(self) -> int:
        """How many rows are gone."""
        return self.done.total() - self.done[Relayed.NO_ROOM]


def bring(database: Database, run: Run, rows: Sequence[Row], read_ms: int) -> Brought:
    """Bring rows to Redis and delete them. ``read_ms``: when they were read, monotonic; too long ago: they stay.

    Raises: StoreUnavailable, StoreFull, and what the driver raises; who brings them again finds out how far it came.
    """
    brought = Brought(bad={row.seq: why for row in rows if (why := complaint_of(row))})
    for queue, portion in _portions([row for row in rows if row.seq not in brought.bad]):
        if monotonic_ms() - read_ms > FRESH_MS:
            break
        try:
            answers = run_steps(run, acting(queue, relay(queue, [(row.id, row.envelope) for row in portion])))
        except (StoreUnavailable, StoreFull):
            raise
        except StoreError as error:
            brought.stuck[queue] = error.in_one_line()
            continue
        brought.done.update(answers)
        gone = [row for row, answer in zip(portion, answers, strict=True) if answer is not Relayed.NO_ROOM]
        if len(gone) < len(portion):
            brought.stuck[queue] = "no more jobs may wait there"
        _delete(database, run, queue, gone)
    return brought


def complaint_of(row: Row) -> str:
    """Return what is wrong with the names of a row, "" when nothing is: another producer may have written anything."""
    try:
        check_name(row.queue, "queue")
        check_name(row.id, "id")
    except InvalidName as error:
        return error.in_one_line()
    return ""


def _delete(database: Database, run: Run, queue: str, rows: Sequence[Row]) -> None:
    if rows:
        database.run(database.dialect.delete(len(rows)), [row.seq for row in rows])
        run(relayed(queue, [row.id for row in rows]))


def _portions(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield queue and rows of one call each."""
    for queue, same in groupby(sorted(rows, key=attrgetter("queue")), attrgetter("queue")):
        portion: list[Row] = []
        size = 0
        for row in same:
            if portion and (len(portion) == _MOST or size + len(row.envelope) > _MOST_CHARACTERS):
                yield queue, portion
                portion, size = [], 0
            portion.append(row)
            size += len(row.envelope)
        yield queue, portion
