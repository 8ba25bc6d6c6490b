"""Keeps the books of an outage of Redis: failures in a row, the pauses between tries, what the log is told.

Owned by each thread that asks Redis again and again: the lease keeper, a worker's start, its loop, its monitor, the
control listener. What to do meanwhile is their business.
"""

from __future__ import annotations

import random

from jqjobs.base import log
from jqjobs.errors import StoreError, StoreUnavailable


class Failures:
    """Failures in a row, and the pause before the next try. Says nothing; see `Outage`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.count = 0

    def add(self) -> None:
        """One more."""
        self.count += 1

    def clear(self) -> int:
        """It works again: forget them, and return how many there were."""
        count, self.count = self.count, 0
        return count

    def pause_s(self) -> float:
        """Return how long to wait before the next try: 50 ms doubling to 2 s, jittered by half."""
        upper_s: float = min(2.0, 0.05 * 2 ** min(self.count, 10))
        return upper_s * self._rng.uniform(0.5, 1.0)


class Outage:
    """Failures that the log is told of: the first one, each change of their reason, and the end.

    ``worker``: whose outage it is; "" for the daemon's own.
    """

    def __init__(self, rng: random.Random, worker: str = "") -> None:
        self._failures = Failures(rng)
        self._worker = worker
        self._said: tuple[str, str] | None = None

    @property
    def failures(self) -> int:
        """How many there were in a row; 0: there is no outage."""
        return self._failures.count

    def note(self, error: StoreError) -> None:
        """Count a failure. StoreUnavailable (no connection, no answer, loading) is lost; anything else, refused."""
        self._failures.add()
        event = "redis.lost" if isinstance(error, StoreUnavailable) else "redis.refused"
        if (event, error.reason) != self._said:
            log.event(event, level=log.WARNING, error=str(error), hint=error.hint or None, worker=self._worker or None)
        self._said = event, error.reason

    def end(self) -> None:
        """Redis has answered: say that it is back, if it was away."""
        if self._failures.count:
            log.event("redis.back", failures=self._failures.clear(), worker=self._worker or None)
            self._said = None

    def pause_s(self) -> float:
        """Return how long to wait before the next try, some ms without a failure."""
        return self._failures.pause_s()
