"""Looks for jobs of a queue, whatever is said of them: a page at a time (lua/search.lua), or only how many there are.

Each call is bounded, so a page that little matches may be short, or empty, and not the last one: its cursor says where
to go on. What is stored may be damaged or of another version; then fields are None, never an error. Writes nothing.
"""

from __future__ import annotations

import binascii
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.errors import InvalidOption
from jqjobs.jobs.groups import group_in
from jqjobs.jobs.partitions import partition_of, queue_of
from jqjobs.jobs.selector import ALL_STATES, Selector
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import count, integer, string, text, words
from jqjobs.store.scripts import script
from jqjobs.store.steps import Steps

#: A place in a state, as lua/search.lua says it: after a score, worker and member; or after so many; or the start.
_PLACE = re.compile(rb"(?:#\d{1,15}|-?(?:inf|\d+(?:\.\d+)?(?:e[+-]?\d+)?) \S* .+)?", re.DOTALL)
_MOST_MS = 10**15
#: Items of one job in the answer of lua/search.lua.
_ROW_FIELDS = 16
#: So long a page is looked for; then it ends, however short it is.
PATIENCE_S = 0.2
#: Jobs of one script call.
_MOST_ROWS = 100


class JobRow(NamedTuple):
    """One job in a list. Times in ms since the epoch.

    ``at_ms``: when it is due (scheduled), died, was parked, is forgotten (kept). ``since_ms``: since when it is in its
    state, or in the queue where that is not known. ``held_by``: the limit it waits for. ``score``: its place in its
    state, as Redis says it.
    """

    id: str
    queue: str
    name: str | None
    state: str
    at_ms: int | None
    worker: str | None
    priority: int
    enqueued_ms: int | None
    attempt: int
    executions: int
    error: str | None
    reason: str | None
    finished_ms: int | None
    held_by: str | None
    due_ms: int | None = None
    since_ms: int | None = None
    key: str | None = None
    tags: tuple[str, ...] = ()
    group: str | None = None
    score: str = ""
    partition: str | None = None

    @property
    def place(self) -> str:
        """The queue, or the partition of it, whose keys have the job."""
        return self.partition or self.queue

    @property
    def ref(self) -> str:
        """``queue/id``, as handles and `jqctl` take it."""
        return f"{self.queue}/{self.id}"

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that lists show."""
        shown = self._asdict()
        del shown["score"]
        return shown


class Cursor(NamedTuple):
    """Where a search goes on: in this state, after this place there. ``until_ms``: what came later is left out.

    ``partition``: "~3" of the queue's third one, "" of its home.
    """

    state: str
    place: bytes = b""
    until_ms: int | None = None
    partition: str = ""

    def at(self, place: str) -> Cursor:
        """Return it for a partition of the queue, or for its home."""
        return self._replace(partition=place.removeprefix(queue_of(place)))

    def __str__(self) -> str:
        bound = b"-" if self.until_ms is None else b"%d" % self.until_ms
        return (
            urlsafe_b64encode(b"%s %s %s" % (bound, f"{self.state}{self.partition}".encode(), self.place))
            .decode()
            .rstrip("=")
        )


def read_cursor(said: str) -> Cursor:
    """Return what a cursor says. Raises: InvalidOption."""
    try:
        bound, state, place = urlsafe_b64decode(said.encode() + b"=" * (-len(said) % 4)).split(b" ", 2)
        name = queue_of(state.decode())
        found = Cursor(name, place, None if bound == b"-" else int(bound), state.decode().removeprefix(name))
    except (ValueError, binascii.Error):
        found = Cursor("")
    if found.state not in list(ALL_STATES) or not _PLACE.fullmatch(found.place) or abs(found.until_ms or 0) > _MOST_MS:
        raise InvalidOption(f"the cursor {said!r} is not what a page before ended with")
    return found


class JobPage(NamedTuple):
    """Some jobs. ``total``: all of the states that are looked through; ``searched``: those looked at for this page.

    ``left``: how many of the last state are still to be looked at. ``cursor``: where the next page begins, None after
    the last one.
    """

    rows: tuple[JobRow, ...]
    total: int
    searched: int
    left: int
    cursor: Cursor | None
    now_ms: int


class JobCount(NamedTuple):
    """How many jobs are selected: ``counted``, and ``apart`` those with a reason that was named.

    ``searched``, ``left``, ``cursor``, ``now_ms``: as of a `JobPage`.
    """

    counted: int
    apart: int
    searched: int
    left: int
    cursor: Cursor | None
    now_ms: int


def search(
    queue: str, selector: Selector, cursor: Cursor, limit: int = _MOST_ROWS
) -> Call[JobPage]:  # fmt: skip
    """Look for jobs of the state that the cursor names, in one call: a bounded number is looked at."""
    state = cursor.state

    def parse(reply: Any) -> JobPage:
        now_ms, total, searched, left, place, *flat = reply
        starts = range(0, len(flat), _ROW_FIELDS)
        rows = tuple(_row(queue, state, flat[start : start + _ROW_FIELDS]) for start in starts)
        return JobPage(rows, int(total), int(searched), int(left), _ahead(cursor, place), int(now_ms))

    args = ("", selector.wire(state, cursor.until_ms), cursor.place, limit)
    return Call(script("search"), (keys.meta(queue),), args, parse, repeatable=True)


def count_jobs(queue: str, selector: Selector, cursor: Cursor, apart: str = "") -> Call[JobCount]:
    """Count jobs of the state that the cursor names, in one call; those with the reason ``apart`` by themselves."""

    def parse(reply: Any) -> JobCount:
        now_ms, _, searched, left, place, selected, others = reply
        return JobCount(selected - others, others, searched, left, _ahead(cursor, place), int(now_ms))

    args = ("", selector.wire(cursor.state, cursor.until_ms), cursor.place, apart)
    return Call(script("count"), (keys.meta(queue),), args, parse, repeatable=True)


def _ahead(cursor: Cursor, place: bytes) -> Cursor | None:
    return Cursor(cursor.state, place, cursor.until_ms) if place else None


def latest(queue: str, state: str, total: int, most: int) -> Call[JobPage]:
    """Read the last ones of ``total`` jobs in a state."""
    return search(queue, Selector(), Cursor(state, b"#%d" % max(0, total - most)), most)


def states_from(states: Sequence[str], cursor: Cursor | None, until_ms: int | None = None) -> list[Cursor]:
    """Return where to look: in each state from its start, those before the cursor's left out. Raises: InvalidOption."""
    if cursor is None:
        return [Cursor(state, until_ms=until_ms) for state in states]
    if cursor.state not in states:
        raise InvalidOption(
            f"the cursor goes on with {cursor.state} jobs", hint="say what the page before was asked for"
        )
    further = states[states.index(cursor.state) + 1 :]
    return [cursor, *(Cursor(state, until_ms=cursor.until_ms) for state in further)]


def find_page(
    queue: str, selector: Selector, limit: int, cursor: Cursor | None = None, patience_s: float = PATIENCE_S
) -> Steps[JobPage]:
    """Look for a page of jobs: until it is full, all are looked at, or it has taken long enough.

    Raises: InvalidOption.
    """
    until_s = time.monotonic() + patience_s
    places = states_from([selector.state] if selector.state else ALL_STATES, cursor)
    rows: list[JobRow] = []
    totals, searched = {}, 0
    while True:
        place = places[0]
        found: JobPage = yield search(queue, selector, place, min(limit - len(rows), _MOST_ROWS))
        rows += found.rows
        searched += found.searched
        totals[place.state] = found.total
        places[:1] = [found.cursor] if found.cursor else []
        if not places or len(rows) >= limit or time.monotonic() >= until_s:
            break
    for further in places:
        if further.state not in totals:
            unseen: JobPage = yield search(queue, selector, further, 0)
            totals[further.state] = unseen.total
    return JobPage(tuple(rows), sum(totals.values()), searched, found.left, places[0] if places else None, found.now_ms)


def _row(queue: str, state: str, item: Sequence[Any]) -> JobRow:
    job_id, score, worker, name, priority, enqueued, attempt, executions, error, reason, finished, held, due = item[:13]
    key, tags, group = item[13:]
    enqueued_ms, finished_ms, at_ms, due_ms = integer(enqueued), integer(finished), _moment(state, score), integer(due)
    since_ms = {"dead": at_ms, "parked": at_ms, "kept": finished_ms}.get(state, enqueued_ms)
    return JobRow(
        id=text(job_id), queue=queue_of(queue), name=string(name), state=state, at_ms=at_ms,
        worker=string(worker) or None, priority=integer(priority) or 0, enqueued_ms=enqueued_ms,
        attempt=count(attempt), executions=count(executions), error=string(error), reason=string(reason),
        finished_ms=finished_ms, held_by=_limit_of(string(held)), due_ms=enqueued_ms if due_ms is None else due_ms,
        since_ms=since_ms, key=string(key), tags=words(tags), group=group_in(string(group)), score=text(score),
        partition=partition_of(queue),
    )  # fmt: skip


def _limit_of(held: str | None) -> str | None:
    return held.split(" ", 3)[-1] if held else None  # lua/rules/limits/held.lua


def _moment(state: str, score: Any) -> int | None:
    # The scores of ready and active are ranks.
    return integer(score) if state in ("scheduled", "waiting", "parked", "moving", "dead", "kept") else None
