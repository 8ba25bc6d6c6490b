"""The turns of one worker: what each of its queues has given, which turns are over, which pattern is next. Pure.

While others call and wait, a turn is over after so many jobs, or after a while. Its queue is served last from then on,
until nothing is in hand there, and calls again beside the others. While nobody waits, turns do not end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from jqjobs.worker.trips.queue_order import MOST_IN_A_ROW, Turns

#: While others wait, a turn is over after so many jobs, a few more where one trip brings them;
TURN_JOBS = MOST_IN_A_ROW
#: or after so long, if it has given any by then, or at last.
_TURN_MS, _LONGEST_TURN_MS = 80, 500
#: A turn that gave nothing counts as so many jobs: else the same queue would be next again and again.
_NOTHING = 0.01
#: What has given nothing for so long, and has nothing, is let go of; at once while others wait.
_REST_MS = 1000


class TurnBook:
    """One per worker that serves queues by patterns. Moments are ms of `monotonic_ms`."""

    def __init__(self, order: Turns) -> None:
        self._order = order
        #: The queues where it is, each since its turn began; also those whose turn is over (`Turns.over`).
        self.since_ms: dict[str, int] = {}
        self._gave_ms: dict[str, int] = {}
        #: What each has given in its turn since others wait.
        self._jobs: Counter[str] = Counter()
        #: Whether others call and wait.
        self.is_pressed = False

    def begin(self, queue: str, now_ms: int) -> None:
        """A turn begins, where it is already or not."""
        if queue not in self.since_ms:
            self._order.enter(queue)
        self._order.over.discard(queue)
        self.since_ms[queue] = now_ms

    def count(self, now_ms: int, busy: Iterable[str]) -> None:
        """Count what has come. ``busy``: where it has something in hand, or to report."""
        gave, self._order.gave = self._order.gave, Counter()
        self._gave_ms |= dict.fromkeys([*busy, *gave], now_ms)
        self._jobs.update(gave)
        if not self.is_pressed:
            self._jobs.clear()

    @property
    def is_used_up(self) -> bool:
        """Whether others wait, and all that it has turns in has given enough."""
        gave, over = self._order.gave, self._order.over
        if not (self.is_pressed and self.since_ms):
            return False
        return all(queue in over or self._jobs[queue] + gave[queue] >= TURN_JOBS for queue in self.since_ms)

    def over_now(self, now_ms: int) -> list[str]:
        """Return the queues whose turn is over by now, and was not before."""
        if not self.is_pressed:
            return []
        return [queue for queue in self.since_ms if queue not in self._order.over and self._is_over(queue, now_ms)]

    def _is_over(self, queue: str, now_ms: int) -> bool:
        jobs, age_ms = self._jobs[queue], now_ms - self.since_ms[queue]
        return jobs >= TURN_JOBS or age_ms >= (_TURN_MS if jobs else _LONGEST_TURN_MS)

    def may_go(self, now_ms: int, busy: Container[str]) -> list[str]:
        """Return those that are let go of if they have nothing: while others wait all, else what has rested a while."""
        return [
            queue for queue, since_ms in self.since_ms.items()
            if queue not in busy and queue not in self._order.over
            and (self.is_pressed or now_ms - self._gave_ms.get(queue, since_ms) >= _REST_MS)
        ]  # fmt: skip

    def end(self, queue: str) -> float:
        """A turn is over; return what is to be charged for it beyond what was charged at its beginning."""
        self._order.over.add(queue)
        return (self._jobs.pop(queue, 0) or _NOTHING) - TURN_JOBS

    def forget(self, queue: str) -> None:
        """It is there no longer."""
        if self.since_ms.pop(queue, None) is not None:
            self._order.leave(queue)
        self._order.over.discard(queue)
        self._gave_ms.pop(queue, None)
        self._jobs.pop(queue, None)


class PatternOrder:
    """Which pattern is asked first: each as often as its queues call, which count by the weight of the pattern."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = weights
        self._calling = dict.fromkeys(weights, 1)
        self._credit = dict.fromkeys(weights, 0.0)

    def next(self) -> Sequence[str]:
        """Return all of them in the order in which they are asked now."""
        shares = {pattern: self._calling[pattern] * weight for pattern, weight in self._weights.items()}
        total = sum(shares.values())
        for pattern, share in shares.items():
            self._credit[pattern] += share / total
        order = sorted(self._credit, key=self._credit.__getitem__, reverse=True)
        self._credit[order[0]] -= 1
        return order

    def heard(self, pattern: str, calling: int) -> None:
        """So many of its queues called. One of none is asked too, now and then."""
        self._calling[pattern] = max(1, calling)
