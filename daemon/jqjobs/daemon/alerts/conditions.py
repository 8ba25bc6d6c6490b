"""What people are told of without asking: jobs that died, a queue that waits, memory that will soon be full.

Looks at all queues, those too that nobody serves. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jqjobs.base.clock import format_age
from jqjobs.base.escape import visible
from jqjobs.base.words import plural
from jqjobs.store.reads.diagnosis import died_since
from jqjobs.store.reads.memory import RedisMemory, read_memory
from jqjobs.store.reads.queues import QueueStatus, known_places, queue_status
from jqjobs.store.reads.search import JobRow, latest
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
    statuses = store.run_all([queue_status(place) for place in known_places(store)])
    since = {one.name: told.get(f"died {one.name}", since_ms) + 1 for one in statuses if one.dead}
    return [
        *_deaths(store, {one.name: one.dead for one in statuses if one.dead}, since),
        *(_wait(one) for one in statuses if _waits(one, wait_s)), *_memory(read_memory(store)),
    ]  # fmt: skip


def _deaths(store: Store, dead: Mapping[str, int], since: Mapping[str, int]) -> Iterator[Alert]:
    """``dead``: how many there are of each queue. ``since``: from when on they count."""
    if not dead:
        return
    died = {queue: found for queue, found in zip(since, died_since(store, since), strict=True) if found}
    pages = store.run_all([latest(queue, "dead", dead[queue], 1) for queue in died])
    for (queue, found), page in zip(died.items(), pages, strict=True):
        last = f"; the last one: {_shown(page.rows[0])}" if page.rows else ""
        words = f"{plural(found, 'job')} of {queue} died{last}"
        yield Alert("died", queue, words, f"jqctl errors --queue {queue}")


def _shown(row: JobRow) -> str:
    return visible(": ".join(filter(None, (row.name, row.error or row.reason))), limit=_MOST_ERROR)


def _waits(one: QueueStatus, wait_s: float) -> bool:
    return one.paused_ms is None and (one.oldest_ready_s or 0.0) > wait_s


def _wait(one: QueueStatus) -> Alert:
    words = f"jobs of {one.name} wait: {one.ready:,} are ready, the oldest for {format_age(one.oldest_ready_s or 0.0)}"
    return Alert("waits", one.name, words, "jqctl doctor says whether anybody serves it")


def _memory(memory: RedisMemory | None) -> Iterator[Alert]:
    if memory and memory.full_in_s is not None and memory.full_in_s < _SOON_S:
        words = f"Redis will be full in {format_age(memory.full_in_s)} at the growth of the last hour"
        yield Alert("memory", "", words, "raise maxmemory, or let workers drain it: jqctl status shows what grows")
