"""When a worker asks its daemon for a successor: when old, after many jobs, short of what limits
leave, or when a job hangs.

Work goes on until the successor is ready; then the daemon drains this one.
"""

from __future__ import annotations

import math
import random

from jqjobs.base.clock import monotonic_ms
from jqjobs.link.channel import Channel
from jqjobs.link.worker_config import WorkerConfig

#: Who asked to be replaced and is still there asks again: its successor may not have come up.
_ASK_AGAIN_MS = 60_000


class Recycling:
    """Asks, again and again for age and jobs, once for each time a job hangs."""

    def __init__(self, config: WorkerConfig, channel: Channel, rng: random.Random) -> None:
        self._max_jobs = config.max_jobs or math.inf
        self._channel = channel
        self._old_at_ms = _old_at_ms(config, rng)
        self._ask_again_ms = 0
        self._said_hung = False

    def ask(self, *, executed: int, has_hung: bool, is_spoilt: bool) -> None:
        """Ask if there is a reason. ``executed``: jobs that it has run; ``is_spoilt``: it can run no more."""
        reason = "limits" if is_spoilt else "max_jobs" if executed >= self._max_jobs else ""
        if not is_spoilt and self._old_at_ms < math.inf and monotonic_ms() >= self._old_at_ms:
            reason = "max_age"
        if reason and (now_ms := monotonic_ms()) >= self._ask_again_ms:
            self._ask_again_ms = now_ms + _ASK_AGAIN_MS
            self._channel.send("recycle", reason=reason)
        if has_hung and not self._said_hung:
            self._channel.send("recycle", reason="hung")
        self._said_hung = has_hung


def _old_at_ms(config: WorkerConfig, rng: random.Random) -> float:
    """Return the boottime ms at which the worker is old: up to a fifth early, so that a fleet is not old at once."""
    if not config.max_age_s:
        return math.inf
    return monotonic_ms() + config.max_age_s * 1000 * rng.uniform(0.8, 1.0)
