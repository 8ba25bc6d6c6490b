"""Acts on all jobs that a selector matches: retry, cancel, delete, move. One code for jqctl and Python.

- In bounded steps: a search looks at some hundred jobs, and one script acts on those of them that match.
- With a boundary in time: what comes into its state after the start (or ``until_ms``) is not touched, also when it was
  touched before and comes again.
- It can be resumed: an answer that is not the last one has a cursor, which carries the boundary too.

    search ─▶ rows ─▶ act on them ─▶ search from there on ─▶ …
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import State
from jqjobs.jobs.selector import ALL_STATES, Selector
from jqjobs.store.call import Call
from jqjobs.store.calls import cancels, upkeep
from jqjobs.store.calls.flows import acting
from jqjobs.store.calls.moves import MOST_MOVED, Moved, move_jobs
from jqjobs.store.calls.partitions import places_of
from jqjobs.store.reads.queues import QueueStatus, queue_status
from jqjobs.store.reads.search import (
    Cursor,
    JobCount,
    JobPage,
    JobRow,
    count_jobs,
    read_cursor,
    search,
    states_from,
)
from jqjobs.store.steps import Steps
from jqjobs.store.whole_queues import place_number

_UNFINISHED = tuple(state for state in ALL_STATES if state not in (State.MOVING, State.KEPT, State.DEAD))
_MOVABLE = tuple(state for state in ALL_STATES if state not in (State.ACTIVE, State.WAITING, State.KEPT))
_AT_REST = tuple(state for state in ALL_STATES if state not in (State.ACTIVE, State.MOVING))


class Act(StrEnum):
    """What is done to each job."""

    RETRY = "retry"  #: back to ready; not what somebody has cancelled, unless the selector's error says so
    CANCEL = "cancel"
    DELETE = "delete"  #: in a state that the selector names
    MOVE = "move"  #: to another queue


#: Jobs of one step.
CHUNK = 100
#: What may come of a job that an act was done on.
_DONE = ("ready", "cancelled", "cancelling", "gone", "moved", "moving")
#: The states that an act goes through when the selector names none, and may go through when it does.
STATES: dict[Act, tuple[State, ...]] = {
    Act.RETRY: (State.DEAD,), Act.CANCEL: _UNFINISHED, Act.DELETE: _AT_REST, Act.MOVE: _MOVABLE,
}  # fmt: skip


class BulkAnswer(NamedTuple):
    """How far it got. ``matched``: so many were meant; ``done``: on so many it was done, the others refused.

    ``left``: how many of the state that it was in are still to be looked at. ``cursor``: where to go on; None: it is
    through.
    """

    matched: int = 0
    done: int = 0
    left: int = 0
    cursor: str | None = None
    #: What came of how many: the answers of the script in small letters, and "left_out".
    came_of: Mapping[str, int] = {}

    def plus(self, matched: int, came_of: Counter[str], left: int, places: Sequence[Cursor]) -> BulkAnswer:
        """Return how far it got with one page more. ``places``: where to go on."""
        total = Counter(self.came_of) + came_of
        done = sum(total[word] for word in _DONE)
        return BulkAnswer(self.matched + matched, done, left, str(places[0]) if places else None, total)

    def with_place(self, place: str, further: BulkAnswer) -> BulkAnswer:
        """Return how far it got, with what came of another place of the queue."""
        cursor = str(read_cursor(further.cursor).at(place)) if further.cursor else None
        total = Counter(self.came_of) + Counter(further.came_of)
        return BulkAnswer(self.matched + further.matched, self.done + further.done, further.left, cursor, total)

    def count(self, word: str) -> int:
        """Return of how many jobs this came."""
        return self.came_of.get(word, 0)

    def as_json(self) -> dict[str, int | str | None]:
        """Return what outside tools rely on."""
        return {"matched": self.matched, "done": self.done, "left": self.left, "cursor": self.cursor}


def act_on_all(
    queue: str, selector: Selector, act: Act, *, to: str = "", until_ms: int | None = None,
    cursor: Cursor | None = None, dry_run: bool = False, reads_each: bool = False, within_s: float | None = None,
    most_read: int | None = None, watch: Callable[[BulkAnswer], None] = lambda _: None,
) -> Steps[BulkAnswer]:  # fmt: skip
    """Act on the jobs of a queue that match, or only count them.

    ``to``: the queue that they are moved to.
    ``until_ms``: on those alone that were in their state (or queue, see `Selector`) by then; by default, by now.
    An age is one at that moment. ``cursor``: where an earlier answer ended. ``reads_each``: who runs the steps looks at
    each job too, also when they are only counted. ``within_s``, ``most_read``: end after so long, after so many jobs;
    in a queue with partitions, of each. ``watch``: told after each step.
    Raises: InvalidOption.
    """
    places = yield from places_of(queue)
    if len(places) > 1 and cursor is None and until_ms is None:
        status: QueueStatus = yield queue_status(queue)
        until_ms = status.now_ms  # the same for all
    so_far = BulkAnswer()
    for place in places[place_number(places, cursor) :]:
        watching = partial(_watch_place, watch, so_far, place)
        found = yield from _act_in(
            place, selector, act, to=to, until_ms=until_ms, cursor=cursor, dry_run=dry_run, reads_each=reads_each,
            within_s=within_s, most_read=most_read, watch=watching,
        )  # fmt: skip
        so_far = so_far.with_place(place, found)
        if so_far.cursor is not None:
            break
        until_ms, cursor = until_ms if cursor is None else cursor.until_ms, None
    return so_far


def _watch_place(
    watch: Callable[[BulkAnswer], None], before: BulkAnswer, place: str, answer: BulkAnswer
) -> None:  # fmt: skip
    watch(before.with_place(place, answer))


def _act_in(
    queue: str, selector: Selector, act: Act, *, to: str, until_ms: int | None, cursor: Cursor | None, dry_run: bool,
    reads_each: bool, within_s: float | None, most_read: int | None, watch: Callable[[BulkAnswer], None],
) -> Steps[BulkAnswer]:  # fmt: skip
    """Do it in one place."""
    if cursor is None and until_ms is not None:
        selector, until_ms = selector.at(until_ms)
    places = states_from(_states_of(act, selector), cursor, until_ms)
    stop_s = math.inf if within_s is None else time.monotonic() + within_s
    so_far, read = BulkAnswer(), 0
    while places:
        found: JobCount | JobPage = yield _look(queue, selector, act, places[0], counts=dry_run and not reads_each)
        selector, places = _ahead(selector, places, found)
        matched, came_of = yield from _outcome(queue, act, found, selector, to, dry_run=dry_run)
        so_far, read = so_far.plus(matched, came_of, found.left, places), read + found.searched
        watch(so_far)
        if time.monotonic() >= stop_s or (most_read is not None and read >= most_read):
            break
    return so_far


def _look(queue: str, selector: Selector, act: Act, place: Cursor, *, counts: bool) -> Call[Any]:
    """Read a page of what matches, or only count it."""
    if counts:
        return count_jobs(queue, selector, place, _apart(act, selector))
    return search(queue, selector, place, CHUNK)


def _outcome(
    queue: str, act: Act, found: JobCount | JobPage, selector: Selector, to: str, *, dry_run: bool
) -> Steps[tuple[int, Counter[str]]]:
    """Act on what is meant of a page, unless it is only counted; return how many that is, and what came of how many."""
    if isinstance(found, JobCount):
        return found.counted, Counter(left_out=found.apart)
    apart = _apart(act, selector)
    rows = [row for row in found.rows if not apart or row.reason != apart]
    came_of = yield from _do(queue, act, [] if dry_run else rows, to)
    came_of["left_out"] += len(found.rows) - len(rows)
    return len(rows), came_of


def _ahead(selector: Selector, places: Sequence[Cursor], page: JobCount | JobPage) -> tuple[Selector, list[Cursor]]:
    """Return where to go on behind a page, with the boundary that it was read with."""
    bound_ms = places[0].until_ms
    if bound_ms is None:
        selector, bound_ms = selector.at(page.now_ms)
    ahead = [*([page.cursor] if page.cursor else ()), *places[1:]]
    return selector, [place._replace(until_ms=bound_ms) for place in ahead]


def _states_of(act: Act, selector: Selector) -> Sequence[State]:
    states = STATES[act]
    if selector.state is None:
        if act is Act.DELETE:
            raise InvalidOption("say in which state the jobs are that are to be deleted")
        return states
    if selector.state not in states:
        hint = "cancel them first" if selector.state == State.ACTIVE else f"they must be {' or '.join(states)}"
        raise InvalidOption(f"{act} is not for {selector.state} jobs", hint=hint)
    return (State(selector.state),)


def _apart(act: Act, selector: Selector) -> str:
    """Return the reason of dead jobs that are not meant; "" when all are."""
    return "cancelled" if act is Act.RETRY and selector.error != "cancelled" else ""


def _do(queue: str, act: Act, rows: Sequence[JobRow], to: str) -> Steps[Counter[str]]:
    """Act on jobs as they were seen; what came of how many."""
    if not rows:
        return Counter()
    call: Call[Any]
    match act:
        case Act.RETRY:
            call = upkeep.retry(queue, [f"{row.id} {row.score}" for row in rows])
        case Act.CANCEL:
            call = cancels.cancel(queue, [f"{row.id} {row.worker or ''}".rstrip() for row in rows])
        case Act.DELETE:
            call = upkeep.delete(queue, _places(rows))
        case Act.MOVE:
            moved: list[Moved] = []
            for start in range(0, len(rows), MOST_MOVED):
                moved += yield from move_jobs(queue, _places(rows[start : start + MOST_MOVED]), to)
            return Counter(each.value for each in moved)
    answers: Any = yield from acting(queue, call)
    return Counter(each.name.lower() for each in answers)


def _places(rows: Sequence[JobRow]) -> list[str]:
    return [f"{row.id} {row.state} {row.score}" for row in rows]
