"""How long who makes a call once waits for a Redis that says that it did not run it: it loads, is read-only, is busy.

Called by both stores, for producers and for people. Loops have a pace of their own, see `outage`.
"""

from __future__ import annotations

import random
import time

from jqjobs.errors import StoreBusy

#: What to do about a call that went out and got no reply.
MAYBE_DONE = "it may have been done all the same: look before you do it again"


class Patience:
    """The time in which one call is tried again, and the pauses between."""

    def __init__(self, patience_s: float) -> None:
        self._until_s = time.monotonic() + patience_s
        self._upper_s = 0.05

    def pause_s(self, error: StoreBusy) -> float:
        """Return how long to wait before the next try: 50 ms doubling to 1 s, jittered by half. Raises: the error."""
        pause_s: float = self._upper_s * random.uniform(0.5, 1.0)
        self._upper_s = min(1.0, 2 * self._upper_s)
        if time.monotonic() + pause_s > self._until_s:
            raise error
        return pause_s
