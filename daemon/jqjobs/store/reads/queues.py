"""Reads queues for people and tools: which there are, and how many jobs are in which state. Writes nothing.

What is stored may be damaged or of another version; then fields are None, never an error. Records are named tuples:
`jqctl` defines them at every start, and a frozen dataclass takes 1 ms to define, seven times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.jobs.records import is_name, is_place
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import count, integer, json_or_none, seconds_since, string, text
from jqjobs.store.scripts import script
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

#: The first items in the answer of lua/status.lua, after the time.
_COUNTS = (
    "inbox", "ready", "scheduled", "active", "held", "waiting", "parked", "suspects", "moving", "kept", "dead",
    "rejected", "workers",
)  # fmt: skip
_MINUTE_MS = 60_000


class QueueStatus(NamedTuple):
    """One queue in numbers. Each job is counted once, in inbox … dead; ``rejected`` are no jobs.

    ``oldest_ready_s``: for how long the oldest ready job could have run. ``done``, ``failed``: attempts since
    the queue exists; ``trimmed``: dead jobs that retention has forgotten since then. ``*_per_minute``: over the last
    60 s. ``workers``: how many have a lease.
    ``misfits``: how many of those parked wait for a worker that their arguments fit. ``paused_until_ms``: when it
    resumes by itself; ``paused_by``, ``paused_reason``: what was said with the pause. ``dead_ms`` …
    ``max_length``: what it keeps, and how many of it may wait; None: nobody has said so of this queue.
    ``busy``: the workers that have jobs of it in hand. ``partitions``: of a queue as a whole, its
    places in numbers, the first one the queue's own keys.
    """

    name: str
    inbox: int
    ready: int
    scheduled: int
    active: int
    held: int
    waiting: int
    parked: int
    suspects: int
    kept: int
    dead: int
    rejected: int
    workers: int
    paused_ms: int | None
    oldest_ready_s: float | None
    done: int
    failed: int
    done_per_minute: float
    failed_per_minute: float
    trimmed: int
    now_ms: int
    misfits: int = 0
    moving: int = 0
    paused_until_ms: int | None = None
    paused_by: str | None = None
    paused_reason: str | None = None
    dead_ms: int | None = None
    max_dead: int | None = None
    max_kept: int | None = None
    max_length: int | None = None
    busy: tuple[str, ...] = ()
    partitions: tuple[Any, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return self._asdict() | {"partitions": [part.as_json() for part in self.partitions]}

    @property
    def has_jobs(self) -> bool:
        """Whether any job is in it, in whatever state, or on its way from here."""
        return any(getattr(self, state) for state in _COUNTS[1:11])

    @property
    def is_empty(self) -> bool:
        """Whether there is no trace of this queue: no job, no worker, no past."""
        past = self.done + self.failed + self.trimmed
        return not (past or self.paused_ms or any(getattr(self, count) for count in _COUNTS))


def per_minute(this: int, last: int, now_ms: int) -> float:
    """Return the rate of the last 60 s: this minute's count, and of the last one's the share still inside."""
    return round(this + last * (1 - now_ms % _MINUTE_MS / _MINUTE_MS), 1)


def queue_status(queue: str) -> Call[QueueStatus]:
    """Count one queue."""

    def parse(reply: Any) -> QueueStatus:
        now_ms = int(reply[0])
        counts: dict[str, Any] = dict(zip(_COUNTS, map(count, reply[1:14]), strict=True))
        done, failed, done_now, failed_now, done_before, failed_before, trimmed = map(count, reply[16:23])
        return QueueStatus(
            **counts, name=queue,
            paused_ms=integer(reply[14]), oldest_ready_s=seconds_since(reply[15], now_ms),
            done=done, failed=failed, done_per_minute=per_minute(done_now, done_before, now_ms),
            failed_per_minute=per_minute(failed_now, failed_before, now_ms), trimmed=trimmed, now_ms=now_ms,
            misfits=count(reply[23]), paused_until_ms=integer(reply[24]),
            paused_by=string(reply[25]) or None, paused_reason=string(reply[26]) or None,
            dead_ms=integer(reply[27]), max_dead=integer(reply[28]), max_kept=integer(reply[29]),
            max_length=integer(reply[30]), busy=tuple(map(text, reply[31:])),
        )  # fmt: skip

    return Call(script("status"), (keys.meta(queue),), ("",), parse, repeatable=True)


def known_queues(store: Store) -> list[str]:
    """Return the names of all known queues, sorted; what cannot name a queue is left out."""
    return [name for name in store.queues() if is_name(name)]


def known_places(store: Store) -> list[str]:
    """Return the known queues, and those of their partitions that are served, sorted."""
    return [place for place in store.queues() if is_place(place)]


def queues_with(store: Store, job_id: str) -> list[str]:
    """Return the known queues, or partitions, that have a job of this id, in one pipeline."""
    queues = known_places(store)
    looks = [("EXISTS", store.address.key(keys.job(queue, job_id))) for queue in queues]
    found = raise_first(store.wire.pipeline(looks))
    with_it = [queue for queue, exists in zip(queues, found, strict=True) if exists == 1]
    return with_it if len(with_it) < 2 else _without_forwards(store, with_it, job_id)


def _without_forwards(store: Store, queues: list[str], job_id: str) -> list[str]:
    """Return those of some queues that have the job itself, and do not only know where it was moved to."""
    looks = [("HEXISTS", store.address.key(keys.job(queue, job_id)), "moved") for queue in queues]
    return [queue for queue, is_forward in zip(queues, store.wire.pipeline(looks), strict=True) if is_forward != 1]


def catalog_entry(store: Store, queue: str, name: str) -> dict[str, Any] | None:
    """Return what workers published for a job name, None when none ever did."""
    raw = store.wire.call("HGET", store.address.key(keys.queue(queue, "catalog")), name)
    if raw is None:
        return None
    entry = json_or_none(raw)
    return entry if isinstance(entry, dict) else {}


def server_now_ms(store: Store) -> int:
    """Return the time of Redis, ms since the epoch: the clock of every stored moment."""
    return time_ms(store.wire.call("TIME"))


def time_ms(reply: Sequence[bytes]) -> int:
    """Return what `TIME` says, in ms."""
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000
