"""In which order a whole trip asks the queues of a worker: as they were given, or so that each has its share. Pure.

What a queue has had is counted in jobs by its weight, and the one that has had least comes first. One that had no work
catches up at once with the others (start-time fair queueing): it saves nothing up, and owes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from jqjobs.jobs.records import TakenJob
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

    def took(self, jobs: Iterable[TakenJob]) -> None:
        """Note what a trip has brought."""
        ...


class StrictOrder:
    """The first queue that has work is served."""

    most_in_a_row = float("inf")

    def __init__(self, queues: Sequence[str]) -> None:
        self.queues = queues

    def of_next_trip(self) -> Sequence[str]:
        """Return them as they were given."""
        return self.queues

    def took(self, jobs: Iterable[TakenJob]) -> None:
        """It makes no difference."""


class Shares:
    """While several queues have work, each gets its part of the jobs."""

    most_in_a_row = float(MOST_IN_A_ROW)

    def __init__(self, queues: Sequence[str], weights: Sequence[int]) -> None:
        self.queues: Sequence[str] = queues
        self._asked = list(queues)
        self._cost = {queue: 1 / weight for queue, weight in zip(queues, weights, strict=True)}
        self._had = dict.fromkeys(queues, 0.0)
        #: Which queues have given something since a whole trip was made.
        self._givers: set[str] = set()

    def of_next_trip(self) -> Sequence[str]:
        """Return first what has had least; of those that are equal, what was given first."""
        self._catch_up()
        self._asked = sorted(self.queues, key=self._had.__getitem__)
        self._givers = set()
        return self._asked

    def took(self, jobs: Iterable[TakenJob]) -> None:
        """Count them."""
        for job in jobs:
            self._had[job.queue] += self._cost[job.queue]
            self._givers.add(job.queue)

    def enter(self, queue: str, weight: int) -> None:
        """Have a queue from now on; who has had as little as anybody goes before it."""
        self._had[queue] = min(self._had.values(), default=0.0)
        self._cost[queue] = 1 / weight
        self.queues = (*self.queues, queue)

    def leave(self, queue: str) -> None:
        """Have it no longer."""
        self._catch_up()
        self._givers = set()
        self.queues = tuple(each for each in self.queues if each != queue)
        self._asked = [each for each in self._asked if each != queue]
        del self._had[queue], self._cost[queue]

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
        """``weights``: of the names and then of the patterns, one each, or none."""
        self._first = () if weights else tuple(named)
        self._shares = Shares(named, weights[: len(named)]) if weights else Shares((), ())
        self._patterns = dict(zip(patterns, weights[len(named) :] or [1] * len(patterns), strict=True))
        #: Those that have given something since somebody looked, who empties it.
        self.gave: set[str] = set()

    @property
    def queues(self) -> Sequence[str]:
        """Those that it has now."""
        return (*self._first, *self._shares.queues)

    def of_next_trip(self) -> Sequence[str]:
        """Return those of strict order, then first what has had least."""
        return (*self._first, *self._shares.of_next_trip())

    def took(self, jobs: Iterable[TakenJob]) -> None:
        """Count those that are not of strict order."""
        taken = [job for job in jobs if job.queue not in self._first]
        self._shares.took(taken)
        self.gave.update(job.queue for job in taken)

    def enter(self, queue: str) -> None:
        """Have a queue from now on; its name is like one of the patterns."""
        self._shares.enter(queue, next(self._patterns[each] for each in self._patterns if is_like(queue, [each])))

    def leave(self, queue: str) -> None:
        """Have it no longer."""
        self._shares.leave(queue)


def queue_order(queues: Sequence[str], weights: Sequence[int], patterns: Sequence[str] = ()) -> QueueOrder:
    """Return the order of these queues. ``weights``: one each, and then of each pattern, or none."""
    if patterns:
        return Turns(queues, weights, patterns)
    return Shares(queues, weights) if weights else StrictOrder(queues)
