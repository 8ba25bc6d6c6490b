"""What a job is: names, ids, and the records that travel between client, store and worker.

Values only. The store turns them into script arguments.
"""

from __future__ import annotations

import os
import re
import string
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from jqjobs.errors import InvalidName

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_PLACE = re.compile(_NAME.pattern + r"(~\d{1,7})?", re.ASCII)

#: With one letter more, Redis takes 16 bytes more to hold an id in a sorted set.
ID_LENGTH = 14
_ALPHABET = string.ascii_letters + string.digits
#: Byte → one of 62 letters and digits: eight of them stand for 5 bytes, the others for 4.
_LETTERS = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256)).encode()

#: Priorities are -4096…4095, higher first: 13 bits above the 40 of the sequence make an exact double.
PRIORITIES = range(-4096, 4096)
#: A payload (or an envelope in the inbox) is at most this many bytes.
MAX_PAYLOAD_BYTES = 1024 * 1024
#: A worker serves at most this many queues: one trip serves them all.
MAX_QUEUES = 32

DEFAULT_MAX_ATTEMPTS = 10
DEFAULT_MAX_CRASHES = 3
DEFAULT_MAX_SNOOZES = 1000
#: So often a job may run into its time limit, whatever its attempts (lua/rules/outcome/fail.lua).
MOST_HUNG = 3


class State(StrEnum):
    """The sets a job can be a member of; it is in exactly one."""

    READY = "ready"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    HELD = "held"
    WAITING = "waiting"
    PARKED = "parked"
    SUSPECTS = "suspects"
    MOVING = "moving"
    KEPT = "kept"
    DEAD = "dead"


class Coalesce(StrEnum):
    """How long a job's coalescing key stands for it."""

    QUEUED = "queued"  #: until it is taken
    UNFINISHED = "unfinished"  #: until it has succeeded or is dead
    STORED = "stored"  #: a dead one keeps it until it is retried or forgotten


class Kind(StrEnum):
    """How an attempt ended, as the worker reports it (lua/rules/trip/outcomes.lua)."""

    DONE = "done"
    KEPT = "kept"
    FAILED = "failed"
    HUNG = "hung"
    DISCARDED = "discarded"
    INTERRUPTED = "interrupted"
    RELEASED = "released"
    UNKNOWN = "unknown"
    MISFIT = "misfit"
    THROTTLED = "throttled"
    WAITING = "waiting"
    SNOOZED = "snoozed"
    CANCELLED = "cancelled"
    MALFORMED = "malformed"
    DEFERRED = "deferred"
    OVERSIZED = "oversized"


class Status(IntEnum):
    """The first item of a trip's answer."""

    OK = 0
    FENCED = 1
    LATE = 2
    FULL = 3  #: of a fast trip: nothing was done, a whole one is due
    NOTHING = 4  #: of a wake trip: there is nothing in any queue; nothing was done, its number does not count


#: What stands for the state of a job that is in no queue yet, but in the outbox of its producer's database.
OUTBOX = "outbox"


def is_name(name: str) -> bool:
    """Return whether this may name a queue, a job or an id."""
    return _NAME.fullmatch(name) is not None


def is_place(name: str) -> bool:
    """Return whether this may name a queue, or a partition of one."""
    return _PLACE.fullmatch(name) is not None


def check_name(name: str, what: str) -> str:
    """Return ``name`` if it may name a queue, a job or an id. Raises: InvalidName."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidName(f"{what} {name!r} is not a valid name", hint="letters, digits, '_', '.', '-'; at most 128")
    return name


def new_id() -> str:
    """Return a fresh job id: 83 random bits as 14 letters and digits (each byte counts in Redis)."""
    return os.urandom(ID_LENGTH).translate(_LETTERS).decode("ascii")


def new_id_stem() -> str:
    """Return what the ids of up to 256 jobs begin with, all but two hex digits (lua/ingest.lua)."""
    return new_id()[2:]


def new_ids(count: int) -> list[str]:
    """Return fresh job ids, for one system call."""
    letters = os.urandom(ID_LENGTH * count).translate(_LETTERS).decode("ascii")
    return [letters[i : i + ID_LENGTH] for i in range(0, len(letters), ID_LENGTH)]


@dataclass(slots=True)
class NewJob:
    """A job on its way into the store. ``due``: "" now, "+ms" from now, "ms" since the epoch.

    ``is_fresh``: its id was made for it, and nobody else has it.
    """

    name: str
    payload: bytes
    id: str
    priority: int = 0
    due: str = ""
    key: str = ""
    fields: tuple[str | int | bytes, ...] = ()
    coalesce: str = Coalesce.UNFINISHED
    replace: bool = False
    is_fresh: bool = False


@dataclass(slots=True)  # not frozen: that costs half a microsecond a job
class Enqueued:
    """What the store made of a `NewJob`. ``created`` is False when ``id`` or ``key`` was there already.

    None: it waits for a commit, and nobody knows yet.
    ``replaced``: the job that had the key had not started, and is this call now. ``place``: the partition of its queue
    that it is in, "" where it has none.
    """

    id: str
    created: bool | None
    replaced: bool = False
    place: str = ""


class AttemptRef(NamedTuple):
    """Which attempt of which job."""

    queue: str
    id: str
    attempt: int


def parse_ref(text: str) -> tuple[str | None, str]:
    """Return (queue or None, id) of ``queue/id`` or a bare id; the queue may be a partition. Raises: InvalidName."""
    if not isinstance(text, str):
        raise InvalidName(f"{text!r} is not text", hint="such as queue/id")
    queue, slash, job_id = text.rpartition("/")
    if slash and not is_place(queue):
        check_name(queue, "queue")
    return (queue or None, check_name(job_id, "id"))
