"""How long who makes a call once waits for a Redis that did not run it: it loads, is read-only, is busy, or replaced.

Called by both stores, for producers and for people. Loops have a pace of their own, see `outage`.
"""

from __future__ import annotations

import random
import time

from jqjobs.errors import StoreBusy, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.error_replies import OF_CREDENTIALS

#: What to do about a call that went out and got no reply.
MAYBE_DONE = "it may have been done all the same: look before you do it again"
#: With less time than that there is no other try: cut short, it would hide what Redis has said.
_LEAST_TRY_S = 0.25


def may_pass(error: StoreError, address: Address) -> bool:
    """Return whether Redis, which did not run a call, may run it in a moment."""
    if isinstance(error, StoreBusy):
        return True
    if isinstance(error, StoreUnavailable):
        # They are about to name another primary.
        return (address.sentinels is not None or address.cluster is not None) and not error.unanswered
    # Whoever changes a password tells Redis and us one after the other.
    return address.is_rotated and error.reason in OF_CREDENTIALS


def is_unsent(error: StoreError) -> bool:
    """Return whether a connection was cut before anything of a call went over it: it can be made over another one."""
    return not error.unanswered and isinstance(error.__cause__, (ConnectionResetError, BrokenPipeError))


class Patience:
    """The time in which one call is tried again, and the pauses between."""

    def __init__(self, until_s: float) -> None:
        """``until_s``: of the monotonic clock."""
        self.until_s = until_s
        self._upper_s = 0.05

    def pause_s(self, error: StoreError) -> float:
        """Return how long to wait before the next try: 50 ms doubling to 1 s, jittered by half. Raises: the error."""
        pause_s: float = self._upper_s * random.uniform(0.5, 1.0)
        self._upper_s = min(1.0, 2 * self._upper_s)
        if time.monotonic() + pause_s > self.until_s - _LEAST_TRY_S:
            raise error
        return pause_s
