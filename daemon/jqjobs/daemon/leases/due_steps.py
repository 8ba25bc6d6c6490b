"""When each step of the lease thread is due. Pure: the clock is read by the caller, in seconds."""

from __future__ import annotations

import random

#: However much is due, the thread gives way for a moment between two turns.
_LEAST_PAUSE_S = 0.01


class Schedule:
    """The next moment of each step, by name. A step that was never taken is due."""

    def __init__(self, jitter: float, rng: random.Random) -> None:
        """``jitter``: a share; by up to half of it steps come early, so that daemons do not go in step."""
        self._jitter = jitter
        self._rng = rng
        self._due_s: dict[str, float] = {}

    def take(self, step: str, every_s: float, now_s: float) -> bool:
        """Return whether a step is due; if so, it will be again about ``every_s`` from now."""
        if now_s < self._due_s.get(step, 0.0):
            return False
        self._due_s[step] = now_s + every_s * self._rng.uniform(1 - self._jitter / 2, 1)
        return True

    def hasten(self, step: str, at_s: float) -> None:
        """Have a step due at ``at_s`` at the latest."""
        self._due_s[step] = min(self._due_s.get(step, 0.0), at_s)

    def make_all_due(self) -> None:
        """Have every step due at once."""
        self._due_s.clear()

    def pause_s(self, now_s: float) -> float:
        """Return for how long nothing is due, 10 ms at least."""
        return max(_LEAST_PAUSE_S, min(self._due_s.values(), default=0.0) - now_s)
