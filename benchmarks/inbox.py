"""An urgent envelope behind many others: how long it waits until it starts, while workers are busy with long jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from figures import Figure
from jobs import linger, mark
from stage import Stage, daemon, wait_until

NAME = "inbox"
_WORKERS = 2
#: Sent in one command.
_PART = 1000


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield how long each of several urgent ones has waited."""
    behind = 2_000 if stage.quick else 20_000
    cells = stage.new_ledger(stage.repeats)
    waited = []
    with daemon("--queues", linger.queue, workers=_WORKERS):
        for index in range(stage.repeats):
            _keep_busy(stage)
            waited.append(_wait_of_urgent(stage, cells, index, behind))
            stage.store.wire.call("DEL", f"jq:{{{linger.queue}}}:ready", f"jq:{{{linger.queue}}}:inbox")
    yield Figure(NAME, f"priority 1,000 behind {behind:,}, 1 s jobs", "ms", tuple(waited), target="≤ 1,500")
    stage.clear()


def _keep_busy(stage: Stage) -> None:
    active = f"jq:{{{linger.queue}}}:active:*"
    linger.enqueue_many([()] * 4 * _WORKERS)
    wait_until(lambda: len(stage.store.wire.call("KEYS", active)) == _WORKERS, 10)


def _wait_of_urgent(stage: Stage, cells: memoryview, index: int, behind: int) -> float:
    inbox, envelope = f"jq:{{{linger.queue}}}:inbox", json.dumps({"job": linger.name})
    for _ in range(0, behind, _PART):
        stage.store.wire.call("LPUSH", inbox, *[envelope] * _PART)
    started_ns = time.monotonic_ns()
    stage.store.wire.call("LPUSH", inbox, json.dumps({"job": mark.name, "args": [index], "priority": 1000}))
    wait_until(lambda: cells[index], 120, 0.05)
    return (cells[index] - started_ns) / 1e6
