"""In which order a whole trip asks the queues of a worker: as they were given, or so that each has its share. Pure.

What a queue has had is counted in jobs by its weight, and the one that has had least comes first. One that had no work
catches up at once with the others (start-time fair queueing): it saves nothing up, and owes nothing. The places of a
queue, its partitions, have one turn together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Protocol

from jqjobs.jobs.partitions import queue_of
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.queue_choice import is_like

#: With weights a queue gives no more jobs in a row while another one may have work.
MOST_IN_A_ROW = 64


class QueueOrder(Protocol):
    """One per worker.

    ``most_in_a_row``: jobs after which a queue that fast trips are made to gives way.
    """

    most_in_a_row: float

    @property
    def queues(self) -> Sequence[str]:
        """Those that it has now."""
        ...

    def of_next_trip(self) -> Sequence[str]:
        """Return the queues of a whole trip that is made now."""
        ...

    def took(self, jobs: Sequence[TakenJob]) -> None:
        """Note what a trip has brought."""
        ...

    def leave(self, place: str) -> None:
        """Have a place no longer."""
        ...


class StrictOrder:
    """The first queue that has work is served."""

    most_in_a_row = float("inf")

    def __init__(self, places: Sequence[str]) -> None:
        """``places``: those of one queue one after the other."""
        self.queues: Sequence[str] = places
        self._places = _by_queue(places)
        self._has_partitions = len(self._places) < len(places)

    def of_next_trip(self) -> Sequence[str]:
        """Return queues as they were given, of each first the place that gave something least lately."""
        return list(chain(*self._places.values())) if self._has_partitions else self.queues

    def took(self, jobs: Sequence[TakenJob]) -> None:
        """It makes a difference only for the places of a queue."""
        if self._has_partitions:
            _put_last(self._places, jobs)

    def leave(self, place: str) -> None:
        """Have it no longer."""
        self.queues = [each for each in self.queues if each != place]
        self._places[queue_of(place)].remove(place)


class Shares:
    """While several queues have work, each gets its part of the jobs, whatever number of places it has."""

    most_in_a_row = float(MOST_IN_A_ROW)

    def __init__(self, places: Sequence[str], weights: Sequence[int]) -> None:
        """``weights``: one each queue."""
        self.queues: Sequence[str] = places
        self._places = _by_queue(places)
        self._asked = list(self._places)
        self._cost = {queue: 1 / weight for queue, weight in zip(self._places, weights, strict=True)}
        self._had = dict.fromkeys(self._places, 0.0)
        #: Which queues have given something since a whole trip was made.
        self._givers: set[str] = set()
        #: Those that come after all others.
        self.last: set[str] = set()

    def of_next_trip(self) -> Sequence[str]:
        """Return first what has had least; of those that are equal, what was given first."""
        self._catch_up()
        last = self.last
        self._asked = sorted(self._places, key=lambda queue: (last.issuperset(self._places[queue]), self._had[queue]))
        self._givers = set()
        return sorted([place for queue in self._asked for place in self._places[queue]], key=last.__contains__)

    def took(self, jobs: Sequence[TakenJob]) -> None:
        """Count them."""
        for job in jobs:
            queue = queue_of(job.queue)
            self._had[queue] += self._cost[queue]
            self._givers.add(queue)
        _put_last(self._places, jobs)

    def enter(self, place: str, weight: int) -> None:
        """Have a place from now on; a queue that has had as little as anybody goes before it."""
        queue = queue_of(place)
        if queue not in self._places:
            self._had[queue] = min(self._had.values(), default=0.0)
            self._cost[queue] = 1 / weight
        self._places.setdefault(queue, []).append(place)
        self.queues = (*self.queues, place)

    def leave(self, place: str) -> None:
        """Have it no longer."""
        self.queues = tuple(each for each in self.queues if each != place)
        queue = queue_of(place)
        self._places[queue].remove(place)
        if self._places[queue]:
            return
        self._catch_up()
        self._givers = set()
        self._asked = [each for each in self._asked if each != queue]
        del self._places[queue], self._had[queue], self._cost[queue]

    def _catch_up(self) -> None:
        """What was asked before another one gave something had no more: it goes on where that one is."""
        if not self._asked:
            return
        last = max((self._asked.index(queue) for queue in self._givers), default=0)
        now = self._had[self._asked[last]] - self._cost[self._asked[last]]
        for queue in self._asked[:last]:
            self._had[queue] = max(self._had[queue], now)


class Turns:
    """Queues that come and go have equal shares, or those of their patterns, beside the ones that are always there.

    Of these the first that has work is served, and only then the others; or each has its share like those.
    """

    most_in_a_row = float(MOST_IN_A_ROW)

    def __init__(self, named: Sequence[str], weights: Sequence[int], patterns: Sequence[str]) -> None:
        """``named``: the places of those. ``weights``: of the names and then of the patterns, one each, or none."""
        count = len(_by_queue(named))
        self._first = StrictOrder(() if weights else named)
        self._shares = Shares(named, weights[:count]) if weights else Shares((), ())
        #: The weight of each.
        self.patterns = dict(zip(patterns, weights[count:] or [1] * len(patterns), strict=True))
        #: How many jobs each has given since somebody looked, who empties it.
        self.gave: Counter[str] = Counter()
        #: Those whose turn is over: they come after all others.
        self.over = self._shares.last

    @property
    def queues(self) -> Sequence[str]:
        """Those that it has now."""
        return (*self._first.queues, *self._shares.queues)

    def of_next_trip(self) -> Sequence[str]:
        """Return those of strict order, then first what has had least."""
        return (*self._first.of_next_trip(), *self._shares.of_next_trip())

    def took(self, jobs: Sequence[TakenJob]) -> None:
        """Count those that are not of strict order."""
        self._first.took([job for job in jobs if job.queue in self._first.queues])
        taken = [job for job in jobs if job.queue not in self._first.queues]
        self._shares.took(taken)
        self.gave.update([job.queue for job in taken])

    def enter(self, place: str) -> None:
        """Have a place from now on; the name of its queue is like one of the patterns."""
        self._shares.enter(place, self.patterns[self.pattern_of(place)])

    def pattern_of(self, place: str) -> str:
        """Return the first pattern that the name of its queue is like."""
        return next(pattern for pattern in self.patterns if is_like(place, [pattern]))

    def leave(self, place: str) -> None:
        """Have it no longer."""
        (self._first if place in self._first.queues else self._shares).leave(place)


def queue_order(places: Sequence[str], weights: Sequence[int], patterns: Sequence[str] = ()) -> QueueOrder:
    """Return the order of queues. ``places``: of each of them, one queue after the other.

    ``weights``: one each queue, and then of each pattern, or none.
    """
    if patterns:
        return Turns(places, weights, patterns)
    return Shares(places, weights) if weights else StrictOrder(places)


def _by_queue(places: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for place in places:
        found.setdefault(queue_of(place), []).append(place)
    return found


def _put_last(by_queue: Mapping[str, list[str]], jobs: Iterable[TakenJob]) -> None:
    """Have the places that gave these come after the others of their queue."""
    for place in dict.fromkeys([job.queue for job in jobs]):
        places = by_queue[queue_of(place)]
        if len(places) > 1:
            places.remove(place)
            places.append(place)
