"""A queue as a whole, with all its partitions: counted, looked through, told something. Without any it is one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jqjobs.errors import InvalidOption, StoreError
from jqjobs.jobs.partitions import Partitions, partition_of, queue_of
from jqjobs.jobs.selector import ALL_STATES, Selector
from jqjobs.store.call import Call
from jqjobs.store.calls.partitions import partitions, places_of
from jqjobs.store.reads.queues import QueueStatus, known_places, queue_status
from jqjobs.store.reads.search import PATIENCE_S, Cursor, JobPage, JobRow, find_page, states_from
from jqjobs.store.steps import Steps
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

T = TypeVar("T")

#: What is added up of places, and what is one of them's.
_ADDED = (
    "inbox", "ready", "scheduled", "active", "held", "waiting", "parked", "suspects", "kept", "dead", "rejected",
    "done", "failed", "done_per_minute", "failed_per_minute", "trimmed", "misfits", "moving",
)  # fmt: skip


def together(places: Sequence[QueueStatus]) -> QueueStatus:
    """Return the places of one queue, its home first, as one queue in numbers."""
    home = places[0]
    if len(places) == 1:
        return home
    added = {name: round(sum(getattr(place, name) for place in places), 1) for name in _ADDED}
    oldest_s = max((place.oldest_ready_s for place in places if place.oldest_ready_s is not None), default=None)
    busy = tuple(sorted({worker for place in places for worker in place.busy}))
    workers = max(place.workers for place in places)
    return home._replace(**added, oldest_ready_s=oldest_s, busy=busy, workers=workers, partitions=tuple(places))


def count_queue(queue: str) -> Steps[QueueStatus]:
    """Count one queue."""
    return together((yield from at_each_place(queue, queue_status)))


def at_each_place(queue: str, make: Callable[[str], Call[T]]) -> Steps[list[T]]:
    """Make a call to each place of a queue, its home first; return the answers."""
    answers: list[T] = []
    for place in (yield from places_of(queue)):
        answers.append((yield make(place)))
    return answers


def places_by_queue(store: Store) -> dict[str, list[str]]:
    """Return the known queues, sorted, each with all its places, its home first. Raises: StoreError."""
    places, problems = _places_by_queue(store)
    raise_first(problems)
    return places


def _places_by_queue(store: Store) -> tuple[dict[str, list[str]], list[StoreError]]:
    """Return the same, only its home of a queue that does not tell its places; and why some do not."""
    known = known_places(store)
    spread = sorted({queue_of(place) for place in known if partition_of(place)})
    found = dict(zip(spread, store.run_many([partitions(queue) for queue in spread]), strict=True))
    places = {
        queue: there.places if isinstance(there := found.get(queue), Partitions) else [queue]
        for queue in dict.fromkeys(map(queue_of, known))
    }
    return places, [there for there in found.values() if isinstance(there, StoreError)]


def counts_of(store: Store, queues: Sequence[str]) -> list[QueueStatus | StoreError]:
    """Count queues, in one round trip; an error stands in the place of what cannot be counted."""
    known, _ = _places_by_queue(store)
    places = [known.get(queue, [queue]) for queue in queues]
    answers = iter(store.run_many([queue_status(place) for each in places for place in each]))
    found: list[QueueStatus | StoreError] = []
    for each in places:
        counted = [next(answers) for _ in each]
        sound = [answer for answer in counted if not isinstance(answer, StoreError)]
        wrong = [answer for answer in counted if isinstance(answer, StoreError)]
        found.append(wrong[0] if wrong else together(sound))
    return found


def find_in_places(queue: str, selector: Selector, limit: int, cursor: Cursor | None = None) -> Steps[JobPage]:
    """Look for a page of jobs, in one place after the other: see `find_page`. Raises: InvalidOption."""
    places = yield from places_of(queue)
    if len(places) == 1:
        return (yield from find_page(queue, selector, limit, cursor))
    until_s, at = time.monotonic() + PATIENCE_S, place_number(places, cursor)
    states_from([selector.state] if selector.state else ALL_STATES, cursor)  # a cursor of something else is refused
    rows: list[JobRow] = []
    searched = 0
    while True:
        left_s = max(0.0, until_s - time.monotonic())
        page = yield from find_page(places[at], selector, limit - len(rows), cursor, left_s)
        rows += page.rows
        searched += page.searched
        cursor, at = (page.cursor, at) if page.cursor else (None, at + 1)
        if at == len(places) or len(rows) >= limit or time.monotonic() >= until_s:
            break
    ahead = None if at == len(places) else (cursor or Cursor(selector.state or ALL_STATES[0])).at(places[at])
    total = sum(_number_in(counted, selector) for counted in (yield from at_each_place(queue, queue_status)))
    return JobPage(tuple(rows), total, searched, page.left, ahead, page.now_ms)


def place_number(places: Sequence[str], cursor: Cursor | None) -> int:
    """Return in which of the places of a queue a cursor goes on. Raises: InvalidOption."""
    place = places[0] + cursor.partition if cursor else places[0]
    if place not in places:
        raise InvalidOption("the cursor goes on in a partition that is there no more", hint="begin anew, without it")
    return places.index(place)


def _number_in(status: QueueStatus, selector: Selector) -> int:
    counted: dict[str, Any] = status._asdict()
    return sum(counted[state] for state in ([selector.state] if selector.state else ALL_STATES))
