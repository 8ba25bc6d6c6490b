"""In which order a whole trip asks the queues of a worker: as they were given, or so that each has its share. Pure.

What a queue has had is counted in jobs by its weight, and the one that has had least comes first. One that had no work
catches up at once with the others (start-time fair queueing): it saves nothing up, and owes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from jqjobs.jobs.records import TakenJob

#: With weights a queue gives no more jobs in a row while another one may have work.
MOST_IN_A_ROW = 64


class QueueOrder(Protocol):
    """One per worker. ``queues``: as they were given.

    ``most_in_a_row``: jobs after which a queue that fast trips are made to gives way.
    """

    queues: Sequence[str]
    most_in_a_row: float

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

    def _catch_up(self) -> None:
        """What was asked before another one gave something had no more: it goes on where that one is."""
        last = max((self._asked.index(queue) for queue in self._givers), default=0)
        now = self._had[self._asked[last]] - self._cost[self._asked[last]]
        for queue in self._asked[:last]:
            self._had[queue] = max(self._had[queue], now)


def queue_order(queues: Sequence[str], weights: Sequence[int]) -> QueueOrder:
    """Return the order of these queues. ``weights``: one each, or none."""
    return Shares(queues, weights) if weights else StrictOrder(queues)
