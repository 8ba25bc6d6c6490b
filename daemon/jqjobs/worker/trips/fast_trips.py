"""When a worker makes a fast trip: between two whole ones, in the queue that gave its last job. Pure.

Redis decides whether that will do: while somebody, whoever it is, has made a whole trip to the queue in the last 20 ms.
Here is only known when it is not worth asking.
"""

from __future__ import annotations

import math

from jqjobs.jobs.records import Status
from jqjobs.store.calls.trips import Trip, Way

#: So long what a whole trip has found is good enough (lua/fast_trip.lua).
FULL_EVERY_MS = 20
#: Where nobody else makes whole trips it is asked so often only.
_ASK_OTHERS_EVERY_MS = 500
#: In vain in a row: then it is not chance.
_MOST_IN_VAIN = 2


class FastTrips:
    """One per worker."""

    def __init__(self, *, has_several_queues: bool, most_in_a_row: float = math.inf) -> None:
        """``has_several_queues``: only a whole trip of its own sees what has come to the others.

        ``most_in_a_row``: jobs, those of the whole trip before them among these; then it is another queue's turn.
        """
        self._has_several_queues = has_several_queues
        self._most_in_a_row = self._left_in_a_row = most_in_a_row
        #: Which queue gave the last job, a plain one, and has more; None: there is nothing to be had in a fast trip.
        self.queue: str | None = None
        #: What to add to `monotonic_ms` to get the time of Redis, as the last whole trip told it.
        self.clock_offset_ms = 0
        self._whole_ms = self._rest_until_ms = self._alone_until_ms = -FULL_EVERY_MS
        #: In a row: refused since nobody else had made a whole one; without a job for other reasons.
        self._refused = self._in_vain = 0
        self._way = Way.ALL

    @property
    def way(self) -> Way:
        """Where the next trip goes if it is a whole one."""
        return self._way if self._has_several_queues else Way.ALL

    def may_go(self, now_ms: int) -> bool:
        """Return whether the next trip is to be a fast one."""
        if self.queue is None or now_ms < self._rest_until_ms or self._left_in_a_row <= 0:
            return False
        if now_ms - self._whole_ms < FULL_EVERY_MS:
            return True
        return not self._has_several_queues and now_ms >= self._alone_until_ms

    def begin_anew(self) -> None:
        """Make a whole trip next: the worker has been idle, or was woken."""
        self.queue = None
        if self._way is Way.ENOUGH:
            self._way = Way.FILLED  # the token that it may have had is put back where there is more

    def went_whole(self, trip: Trip, sent_ms: int, now_ms: int) -> None:
        """Note the answer of a whole trip, which has come now."""
        self.queue, self._whole_ms = trip.left_in, sent_ms
        self._left_in_a_row = self._most_in_a_row - len(trip.jobs)
        self.clock_offset_ms = trip.now_ms - now_ms
        # Who others rely on to come at some moment tells them that he is busy, as a trip that brings jobs has done;
        # what is broken is looked at again.
        watches = trip.wait_ms is not None and not trip.jobs
        self._way = Way.ALL if watches or trip.broken else Way.ENOUGH

    def went(self, trip: Trip, sent_ms: int) -> bool:
        """Note the answer of a fast trip; whether that was all. Else a whole trip follows at once."""
        self.queue = trip.left_in
        self._left_in_a_row -= len(trip.jobs)
        relies_on_others = sent_ms - self._whole_ms >= FULL_EVERY_MS
        if relies_on_others and trip.status is Status.FULL:
            self._refused += 1
            if self._refused >= _MOST_IN_VAIN:
                self._alone_until_ms = sent_ms + _ASK_OTHERS_EVERY_MS
            return False
        if relies_on_others:
            self._refused = 0
        self._in_vain = 0 if trip.jobs else self._in_vain + 1
        if self._in_vain >= _MOST_IN_VAIN:
            self._rest_until_ms = sent_ms + FULL_EVERY_MS
        return bool(trip.jobs)
