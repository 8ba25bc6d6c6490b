"""What people are told of without asking: jobs that died, a queue that waits, memory that will soon be full.

Looks at all queues, those too that nobody serves. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jqjobs.base.clock import format_age
from jqjobs.base.escape import visible
from jqjobs.base.words import plural
from jqjobs.store.reads.diagnosis import died_since
from jqjobs.store.reads.memory import RedisMemory, read_memory
from jqjobs.store.reads.queues import QueueStatus, known_queues, queue_status
from jqjobs.store.reads.search import latest
from jqjobs.store.store import Store

#: Redis that is full sooner is told of.
_SOON_S = 3600.0
_MOST_ERROR = 200


class Alert(NamedTuple):
    """Something to tell. ``kind``: died, waits or memory; ``hint``: what to do."""

    kind: str
    queue: str
    message: str
    hint: str

    @property
    def name(self) -> str:
        """What is told once for a while."""
        return f"{self.kind} {self.queue}".rstrip()


def find_alerts(store: Store, wait_s: float, told: Mapping[str, int], since_ms: int) -> list[Alert]:
    """Return what is to be told.

    ``wait_s``: a queue may wait so long. ``told``: until when each alert was told; deaths count from then on, or since
    ``since_ms`` where none was. Raises: StoreError.
    """
    statuses = store.run_all([queue_status(queue) for queue in known_queues(store)])
    since = {one.name: told.get(f"died {one.name}", since_ms) for one in statuses if one.dead}
    return [
        *_deaths(store, statuses, since), *(_wait(one) for one in statuses if _waits(one, wait_s)),
        *_memory(read_memory(store)),
    ]  # fmt: skip


def _deaths(store: Store, statuses: Sequence[QueueStatus], since: Mapping[str, int]) -> Iterator[Alert]:
    for one in statuses:
        if one.name not in since:
            continue
        [died] = died_since(store, [one.name], since[one.name] + 1)
        if died:
            rows = store.run(latest(one.name, "dead", one.dead, 1)).rows
            last = (
                visible(": ".join(filter(None, (row.name, row.error or row.reason))), limit=_MOST_ERROR)
                if (row := next(iter(rows), None))
                else ""
            )
            words = f"{plural(died, 'job')} of {one.name} died" + (f"; the last one: {last}" if last else "")
            yield Alert("died", one.name, words, f"jqctl errors --queue {one.name}")


def _waits(one: QueueStatus, wait_s: float) -> bool:
    return one.paused_ms is None and (one.oldest_ready_s or 0.0) > wait_s


def _wait(one: QueueStatus) -> Alert:
    words = f"jobs of {one.name} wait: {one.ready:,} are ready, the oldest for {format_age(one.oldest_ready_s or 0.0)}"
    return Alert("waits", one.name, words, "jqctl doctor says whether anybody serves it")


def _memory(memory: RedisMemory | None) -> Iterator[Alert]:
    if memory and memory.full_in_s is not None and memory.full_in_s < _SOON_S:
        words = f"Redis will be full in {format_age(memory.full_in_s)} at the growth of the last hour"
        yield Alert("memory", "", words, "raise maxmemory, or let workers drain it: jqctl status shows what grows")
