"""Which queues are counted anew by who looks again and again: of very many a part each time, in turn.

Counting a queue costs Redis up to 0.2 ms, so a thousand of them each second would be too much for what people see.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from jqjobs.store.reads.queues import QueueStatus

#: At least so many are counted each time, and at least one of so many.
_LEAST, _ONE_OF = 250, 4
#: What was counted longer ago is never shown, ms.
OLDEST_MS = 10_000


def in_turn(names: Sequence[str], before: Mapping[str, QueueStatus], now_ms: int) -> set[str]:
    """Return the queues to count: those counted longest ago, and all whose count is too old or that have none."""
    counted_ms = {name: before[name].now_ms if name in before else -math.inf for name in names}
    longest_ago_first = sorted(names, key=lambda name: counted_ms[name])
    part = max(_LEAST, -(-len(names) // _ONE_OF))
    too_old = (name for name in longest_ago_first[part:] if now_ms - counted_ms[name] > OLDEST_MS)
    return {*longest_ago_first[:part], *too_old}
