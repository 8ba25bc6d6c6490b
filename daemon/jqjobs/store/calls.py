"""Every script call, built once: script, keys, arguments, and how to read the answer.

`Store` and `AsyncStore` run the same `Call`; nothing else knows the order of a script's arguments.
The first argument of each script is the time; it is left "" here, for the clock of Redis.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from jqjobs.job import Coalesce, Enqueued, Kind, NewJob, Outcome, Status, TakenJob
from jqjobs.store import keys
from jqjobs.store.scripts import Script, script
from jqjobs.store.wire import Argument

T_co = TypeVar("T_co", covariant=True)

#: Fields of one job in the answer of an exchange (lua/take.lua).
_TAKEN_FIELDS = 6
_OUTCOME_FIELDS = 6
#: Messages of remote control that nobody reads: so many are kept, for so long (lua/post.lua).
_MOST_ORDERS, _MOST_ANSWERS = 100, 1000
_MESSAGE_TTL_MS = 60_000


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One script call. ``repeatable``: sending it twice does no more than sending it once."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Argument]
    parse: Callable[[Any], T_co]
    repeatable: bool = True


#: The state a settled job is in, "gone" when it is in none, and why it is dead, or "".
Fate = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Trip:
    """The answer of an exchange. ``wait_ms``: come back then; None: another worker does, or nothing is scheduled.

    ``broken``: queues that cannot be served, with the error; the others were. ``fates``: where jobs went, and why
    they are dead or "", by id; only if asked for, and not for plain successes.
    """

    status: Status
    now_ms: int
    wait_ms: int | None = None
    more: bool = False
    inboxes: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    jobs: list[TakenJob] = field(default_factory=list)
    broken: tuple[tuple[str, str], ...] = ()
    fates: Mapping[str, Fate] = field(default_factory=dict)


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
    """What a dead worker's board says of one job. ``state``: running, succeeded, failed, or "waiting <ms>"."""

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
    for job in jobs:
        fields = job.fields if job.coalesce == Coalesce.UNFINISHED else (*job.fields, "coalesce", job.coalesce)
        args += (job.id, job.name, job.payload, job.priority, job.due, job.key, int(job.replace), len(fields), *fields)

    def parse(reply: Any) -> list[Enqueued]:
        return [Enqueued(text(reply[i + 1]), reply[i] == 1, reply[i] == 2) for i in range(0, len(reply), 2)]

    return Call(script("enqueue"), (keys.meta(queue),), args, parse)


def ingest(queue: str, nonce: str) -> Call[Ingested]:
    """Move raw envelopes of the inbox into the queue; ``nonce`` makes ids for those without one."""
    return Call(script("ingest"), (keys.meta(queue),), ("", nonce), lambda reply: Ingested(*reply), repeatable=False)


def exchange(
    queues: Sequence[str], worker: str, trip: int, want: int, lease_ms: int, *,
    outcomes: Sequence[Outcome] = (), held: Sequence[TakenJob] | None = None, tell_fates: bool = False,
) -> Call[Trip]:  # fmt: skip
    """Settle ``outcomes`` and take up to ``want`` jobs. ``held`` given means resync: all the worker still has.

    ``tell_fates``: ask what became of the jobs, see `Trip.fates`.
    """
    words = " ".join(filter(None, ("" if held is None else "resync", "fates" if tell_fates else "")))
    args: list[Argument] = ["", worker, trip, want, lease_ms, words]
    for queue in queues:
        done: list[str] = []
        others: list[Argument] = []
        for o in outcomes:
            if o.queue != queue:
                continue
            if o.kind is Kind.DONE and not o.text:
                done.append(f"{o.id} {o.attempt}")
            else:
                others += (o.kind.value, o.id, o.attempt, o.number, o.text, o.line)
        kept = [f"{job.id} {job.attempt}" for job in held or () if job.queue == queue]
        args += (" ".join(done), " ".join(kept), len(others) // _OUTCOME_FIELDS, *others)
    return Call(
        script("exchange"), [keys.meta(queue) for queue in queues], args,
        lambda reply: parse_trip(reply, queues), repeatable=False,
    )  # fmt: skip


def parse_trip(reply: Any, queues: Sequence[str]) -> Trip:
    """Return the answer of an exchange over ``queues``."""
    if reply[0] != Status.OK:
        return Trip(Status(reply[0]), int(reply[1]))
    flat, fates = reply[7], reply[9] if len(reply) > 9 else ()
    jobs = []
    for i in range(0, len(flat), _TAKEN_FIELDS):
        index, job_id, attempt, name, payload, extra = flat[i : i + _TAKEN_FIELDS]
        job = TakenJob(queues[index - 1], job_id.decode(), attempt, name.decode(), payload)
        if extra is not None:
            _add_extra(job, *extra)
        jobs.append(job)
    return Trip(
        Status.OK, int(reply[1]), None if reply[2] < 0 else int(reply[2]), reply[3] == 1,
        tuple(queues[i - 1] for i in reply[4]), tuple(map(text, reply[5])), tuple(map(text, reply[6])), jobs,
        tuple((queues[reply[8][i] - 1], text(reply[8][i + 1])) for i in range(0, len(reply[8]), 2)),
        {text(fates[i]): (text(fates[i + 1]), text(fates[i + 2])) for i in range(0, len(fates), 3)},
    )  # fmt: skip


def _add_extra(job: TakenJob, failures: Any, timeout: Any, keep: Any, key: Any, limits: Any) -> None:
    job.failures = number(failures) or 0
    job.timeout_ms, job.keep_ms, job.key = number(timeout), number(keep), text(key or b"")
    job.limits = text(limits or b"")


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


def housekeep(queue: str, lease_ms: int, max_dead: int, dead_ms: int) -> Call[Housekept]:
    """Do what time does to a queue; bounded, see ``more``."""

    def parse(reply: Any) -> Housekept:
        return Housekept(reply[0] == 1, None if reply[1] < 0 else int(reply[1]), reply[2] == 1, int(reply[3]))

    return Call(script("housekeep"), (keys.meta(queue),), ("", lease_ms, max_dead, dead_ms), parse)


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
