"""Script calls, built once: script, keys, arguments, and how to read the answer. Trips are in `store.trips`.

`Store` and `AsyncStore` run the same `Call`; nothing else knows the order of a script's arguments.
The first argument of each script is the time; it is left "" here, for the clock of Redis.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Generic, TypeVar

from jqjobs.job import Coalesce, Enqueued, NewJob
from jqjobs.store import keys
from jqjobs.store.scripts import Script, script
from jqjobs.store.wire import Argument, pack

T_co = TypeVar("T_co", covariant=True)

#: What a run of new jobs has in common (lua/enqueue.lua).
_IN_COMMON = attrgetter("name", "fields", "priority", "due", "key", "coalesce", "replace")
#: Messages of remote control that nobody reads: so many are kept, for so long (lua/post.lua).
_MOST_ORDERS, _MOST_ANSWERS = 100, 1000
_MESSAGE_TTL_MS = 60_000


@dataclass(slots=True)  # not frozen: that costs 0.7 µs a call
class Call(Generic[T_co]):
    """One script call. ``repeatable``: sending it twice does no more than sending it once."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Argument]
    parse: Callable[[Any], T_co]
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of raw envelopes. ``left``: how many are still in the inbox."""

    accepted: int
    rejected: int
    present: int
    left: int


@dataclass(frozen=True, slots=True)
class Housekept:
    """What a round of housekeeping found. ``more``: call again at once."""

    more: bool
    wait_ms: int | None
    inbox: bool
    reaped: int


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """What a dead worker's board says of one job.

    ``state``: running, succeeded, failed, "waiting <ms>"; interrupted: it ran when its worker was killed for another.
    """

    id: str
    attempt: int
    state: str


def text(value: Any) -> str:
    """Return a reply as text; what is not UTF-8 is shown escaped, never raised."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def number(value: Any) -> int | None:
    """Return a reply as an integer, None when the field is absent."""
    return None if value is None else int(float(value))


def _truth(reply: Any) -> bool:
    return int(reply) == 1


def enqueue(queue: str, jobs: Sequence[NewJob]) -> Call[list[Enqueued]]:
    """Store new jobs of one queue. Repeatable because ids are made by the producer."""
    args: list[Argument] = ["", len(jobs)]
    for (name, *options), same in groupby(jobs, _IN_COMMON):
        run = [item for job in same for item in (job.id, job.payload)]
        said = _said(*options)
        args += (len(run) // 2, name, len(said), *said, *run)
    return Call(script("enqueue"), (keys.meta(queue),), args, lambda reply: enqueued(reply, jobs))


def enqueued(reply: Any, jobs: Sequence[NewJob]) -> list[Enqueued]:
    """Return what became of jobs that `enqueue` stored."""
    made = [Enqueued(job.id, True) for job in jobs]
    for i in range(0, len(reply), 3):
        made[reply[i] - 1] = Enqueued(text(reply[i + 2]), False, reply[i + 1] == 2)
    return made


def packed_enqueue(queue: str, job: NewJob) -> bytes:
    """Return what `enqueue` sends for one job; but for id and payload it is packed once, which saves half the work."""
    job_id, payload = job.id.encode(), job.payload
    return b"%b$%d\r\n%b\r\n$%d\r\n%b\r\n" % (
        _packed_head(queue, *_IN_COMMON(job)), len(job_id), job_id, len(payload), payload
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _packed_head(
    queue: str, name: str, fields: tuple[str | int, ...], priority: int, due: str, key: str, coalesce: str,
    replace: bool,
) -> bytes:  # fmt: skip
    call = enqueue(queue, [NewJob(name, b"", "", priority, due, key, fields, coalesce, replace)])
    packed = pack(("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args))
    return packed.removesuffix(pack(("", "")).removeprefix(b"*2\r\n"))


def _said(
    fields: Sequence[Argument], priority: int, due: str, key: str, coalesce: str, replace: bool
) -> Sequence[Argument]:  # fmt: skip
    said = [*fields]
    if priority:
        said += ("priority", priority)
    if due:
        said += ("due", due)
    if key:
        said += ("key", key, "replace", 1) if replace else ("key", key)
    if coalesce != Coalesce.UNFINISHED:
        said += ("coalesce", coalesce)
    return said


def ingest(queue: str, nonce: str) -> Call[Ingested]:
    """Move raw envelopes of the inbox into the queue; ``nonce`` makes ids for those without one."""
    return Call(script("ingest"), (keys.meta(queue),), ("", nonce), lambda reply: Ingested(*reply), repeatable=False)


def join(queue: str, worker: str, lease_ms: int) -> Call[bool]:
    """Give a worker its lease; False when it was here before and is gone."""
    return Call(script("join"), (keys.meta(queue),), ("", worker, lease_ms), _truth)


def renew(queue: str, lease_ms: int, workers: Sequence[str], names: Sequence[str] = ()) -> Call[list[int]]:
    """Renew leases and offers; for each worker how many jobs it holds in Redis, -1 when it is fenced."""
    args: list[Argument] = ["", lease_ms, len(workers), *workers, *names]
    return Call(script("renew"), (keys.meta(queue),), args, lambda reply: [int(held) for held in reply])


def publish(queue: str, lease_ms: int, entries: Mapping[str, Mapping[str, Any]]) -> Call[int]:
    """Publish what a ready worker offers: job name → catalog entry."""
    args: list[Argument] = ["", lease_ms]
    for name, entry in entries.items():
        args += (name, json.dumps(entry))
    return Call(script("publish"), (keys.meta(queue),), args, int)


def leave(
    queue: str, worker: str, mode: str, cause: str = "", board: Sequence[BoardEntry] = (), stack: str = ""
) -> Call[int]:
    """End a worker: how many jobs it held, -1 when it had no lease. ``mode``: see lua/leave.lua."""
    args: list[Argument] = ["", worker, mode, cause, stack]
    for entry in board:
        args += (entry.id, entry.attempt, entry.state)
    return Call(script("leave"), (keys.meta(queue),), args, int)


def housekeep(queue: str, lease_ms: int, max_dead: int, dead_ms: int, pause_ms: int = 0) -> Call[Housekept]:
    """Do what time does to a queue; bounded, see ``more``. ``pause_ms``: not if somebody did it so recently."""

    def parse(reply: Any) -> Housekept:
        return Housekept(reply[0] == 1, None if reply[1] < 0 else int(reply[1]), reply[2] == 1, int(reply[3]))

    return Call(script("housekeep"), (keys.meta(queue),), ("", lease_ms, max_dead, dead_ms, pause_ms), parse)


def pause(queue: str, *, resume: bool = False) -> Call[bool]:
    """Pause or resume a queue; whether that changed something."""
    return Call(script("pause"), (keys.meta(queue),), ("", "resume" if resume else "pause"), _truth)


def retry(queue: str, ids: Sequence[str]) -> Call[list[int]]:
    """Send dead jobs back to ready: for each id 1 done, 0 not dead, -1 its key belongs to another job."""
    return Call(script("retry"), (keys.meta(queue),), ("", *ids), lambda reply: [int(item) for item in reply])


def note(
    queue: str, worker: str, job_id: str, attempt: int, progress: bytes = b"", lines: Sequence[bytes] = ()
) -> Call[bool]:
    """Let a running job say something of itself; False when this attempt does not hold it. See lua/note.lua."""
    args: list[Argument] = ["", worker, job_id, attempt, progress, *lines]
    return Call(script("note"), (keys.meta(queue),), args, _truth, repeatable=False)


def know(queues: Sequence[str]) -> Call[int]:
    """Add queues to the known ones."""
    return Call(script("know"), (keys.QUEUES,), ("", *queues), int)


def beat(
    daemon: str, ttl_ms: int, about: Mapping[str, Argument], workers: Mapping[str, Mapping[str, Argument]]
) -> Call[bool]:
    """Register a daemon and its workers for ``ttl_ms``; 0 takes the entries away."""
    args: list[Argument] = ["", ttl_ms, daemon]
    for fields in (about, *workers.values()):
        args.append(2 * len(fields))
        for name, value in fields.items():
            args += (name, value)
    names = (keys.DAEMONS, keys.daemon(daemon), *map(keys.worker, workers))
    return Call(script("beat"), names, args, _truth)


def post_order(daemon: str, order: str) -> Call[int]:
    """Post an order, a JSON object as text, to a daemon; how many it has not read yet."""
    args: list[Argument] = ["", _MOST_ORDERS, _MESSAGE_TTL_MS, order]
    return Call(script("post"), (keys.control(daemon),), args, int, repeatable=False)


def post_answer(nonce: str, answer: str) -> Call[int]:
    """Post a daemon's answer, a JSON object as text, to who gave the order of that nonce."""
    args: list[Argument] = ["", _MOST_ANSWERS, _MESSAGE_TTL_MS, answer]
    return Call(script("post"), (keys.answer(nonce),), args, int)
