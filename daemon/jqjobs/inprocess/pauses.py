"""Paused queues in memory: what lua/pause.lua does. What waits in one is not taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable


class Pauses:
    """The queues that are paused, each until a moment of the clock, or until somebody resumes it."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._until_ms: dict[str, float] = {}

    def __contains__(self, queue: str) -> bool:
        return self._until_ms.get(queue, 0) > self._clock()

    def pause(self, queue: str, until: str, reason: str) -> bool:
        """Pause a queue, or give its pause another end or reason; return whether that changed something.

        ``until``: "+ms" from now, "ms" absolute, "" until somebody resumes it.
        """
        is_new = queue not in self
        if is_new:
            self._until_ms[queue] = math.inf
        if until:
            self._until_ms[queue] = int(until) + (self._clock() if until.startswith("+") else 0)
        return is_new or bool(until or reason)

    def resume(self, queue: str) -> bool:
        """Return whether it was paused."""
        return self._until_ms.pop(queue, 0) > self._clock()

    def next_end_ms(self, queues: Iterable[str]) -> int | None:
        """Return when the first of these queues goes on by itself, None when none does."""
        ends = (self._until_ms[queue] for queue in set(queues) if queue in self)
        return min((int(end) for end in ends if end < math.inf), default=None)
