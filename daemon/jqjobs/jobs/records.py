"""What a job is: names, ids, options, and the records that travel between client, store and worker.

Values only. The store turns them into script arguments.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Literal, NamedTuple

from jqjobs.base.clock import Duration, duration_ms
from jqjobs.errors import InvalidName, InvalidOption
from jqjobs.jobs.blame import Suspicion

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

ID_LENGTH = 16
#: Byte → one of 32 letters and digits, each for as many bytes as any other.
_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567" * 8

#: Priorities are -4096…4095, higher first: 13 bits above the 40 of the sequence make an exact double.
PRIORITIES = range(-4096, 4096)
#: A payload (or an envelope in the inbox) is at most this many bytes.
MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_KEY_BYTES = 256
#: A job has at most so many tags; each is 1 to 64 bytes without spaces and control characters.
MAX_TAGS = 16
_TAG = re.compile(rb"[^\x00-\x20\x7f]{1,64}")
#: A worker serves at most this many queues: one trip serves them all.
MAX_QUEUES = 32

DEFAULT_MAX_ATTEMPTS = 10
DEFAULT_MAX_CRASHES = 3
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


def check_name(name: str, what: str) -> str:
    """Return ``name`` if it may name a queue, a job or an id. Raises: InvalidName."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidName(f"{what} {name!r} is not a valid name", hint="letters, digits, '_', '.', '-'; at most 128")
    return name


def new_id() -> str:
    """Return a fresh job id: 80 random bits as 16 letters and digits (each byte counts in Redis)."""
    return os.urandom(ID_LENGTH).translate(_LETTERS).decode("ascii")


def new_ids(count: int) -> list[str]:
    """Return fresh job ids, for one system call."""
    letters = os.urandom(ID_LENGTH * count).translate(_LETTERS).decode("ascii")
    return [letters[i : i + ID_LENGTH] for i in range(0, len(letters), ID_LENGTH)]


@dataclass(slots=True)
class NewJob:
    """A job on its way into the store. ``due``: "" now, "+ms" from now, "ms" since the epoch."""

    name: str
    payload: bytes
    id: str
    priority: int = 0
    due: str = ""
    key: str = ""
    fields: tuple[str | int, ...] = ()
    coalesce: str = Coalesce.UNFINISHED
    replace: bool = False


@dataclass(slots=True)  # not frozen: that costs half a microsecond a job
class Enqueued:
    """What the store made of a `NewJob`. ``created`` is False when ``id`` or ``key`` was there already.

    None: it waits for a commit, and nobody knows yet.
    ``replaced``: the job that had the key had not started, and is this call now.
    """

    id: str
    created: bool | None
    replaced: bool = False


class AttemptRef(NamedTuple):
    """Which attempt of which job."""

    queue: str
    id: str
    attempt: int


@dataclass(slots=True)
class TakenJob:
    """A job in a worker's hands. (worker id, ``attempt``) is its fencing token."""

    queue: str
    id: str
    attempt: int
    name: str
    payload: bytes
    #: Since when it waits, by the clock of Redis; 0: it has waited before, for an earlier attempt.
    ready_ms: int = 0
    failures: int = 0
    timeout_ms: int | None = None
    keep_ms: int | None = None
    key: str = ""
    #: Its limits as they are stored, "-" for none; "" when they were never computed (`limits.Limits`).
    limits: str = ""
    memory_bytes: int = 0
    #: Why it may have killed a worker before; None when it is not suspected.
    suspicion: Suspicion | None = None
    #: The earlier attempt whose worker died before it could clean up, 0: there is none.
    uncleaned: int = 0
    #: So many attempts it has, None: as many as it is registered with; so often it ran into its time limit.
    max_attempts: int | None = None
    hung: int = 0
    #: Where it stands on its worker's board, and the number it has there; since when it runs, boottime ms.
    place: int = 0
    serial: int = 0
    started_ms: int = 0
    #: When it was taken, by the clock of Redis.
    taken_ms: int = 0


def check_integer(value: int | None, what: str, allowed: range) -> None:
    """Raise InvalidOption unless ``value`` is None or an integer of ``allowed``."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise InvalidOption(f"{what} {value!r} is not an integer from {allowed[0]} to {allowed[-1]}")


def positive_ms(span: Duration, what: str) -> int:
    """Return a duration in ms that must be more than nothing. Raises: InvalidOption."""
    ms = duration_ms(span, what)
    if ms < 1:
        raise InvalidOption(f"{what} {span!r} leaves no time; None means no limit")
    return ms


def check_coalesce(mode: str | None, replace: bool | None) -> None:
    """Raise InvalidOption unless these say how a coalescing key is used; None says nothing."""
    if mode is not None and mode not in list(Coalesce):
        raise InvalidOption(f"coalesce {mode!r} is none of {', '.join(Coalesce)}")
    if replace is not None and not isinstance(replace, bool):
        raise InvalidOption(f"replace {replace!r} is neither True nor False")


def check_meta(meta: Mapping[str, Any] | None) -> None:
    """Raise InvalidOption unless this may be a JSON object; None says nothing."""
    if meta is not None and not (isinstance(meta, Mapping) and all(isinstance(name, str) for name in meta)):
        raise InvalidOption(f"meta {meta!r} is no dict with text for keys")


def check_on_commit(alias: str | bool | None) -> None:
    """Raise InvalidOption unless this names a database of Django; False: enqueue at once; None says nothing."""
    if alias == "outbox":
        raise InvalidOption("on_commit knows no 'outbox' yet", hint="name the database, such as 'default'")
    if alias is not None and alias is not False and not (isinstance(alias, str) and alias):
        raise InvalidOption(f"on_commit {alias!r} names no database of Django", hint="'default' does; False: none")


def check_tags(tags: Sequence[str] | None) -> None:
    """Raise InvalidOption unless these are tags; None says nothing."""
    if tags is None:
        return
    if not isinstance(tags, (list, tuple)) or len(tags) > MAX_TAGS:
        raise InvalidOption(f"tags {tags!r} is no list of at most {MAX_TAGS}")
    for tag in tags:
        if not is_tag(tag):
            raise InvalidOption(f"tag {tag!r} is not text of 1 to 64 bytes without spaces", hint="such as 'tenant:42'")


def is_tag(value: object) -> bool:
    """Whether a job may have this as a tag."""
    try:
        return isinstance(value, str) and _TAG.fullmatch(value.encode()) is not None
    except UnicodeEncodeError:
        return False


def tag_fields(tags: Sequence[str] | None) -> tuple[str, ...]:
    """Return tags as a job's record has them, name and value; nothing for none."""
    return ("tags", " ".join(dict.fromkeys(tags))) if tags else ()


def _is_key(value: object) -> bool:
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True, slots=True)
class Options:
    """What a call may override with ``.options(…)``; None leaves the job's own setting."""

    queue: str | None = None
    id: str | None = None
    key: str | None = None
    priority: int | None = None
    delay: Duration | None = None
    due: datetime | str | None = None
    max_attempts: int | None = None
    max_crashes: int | None = None
    timeout: Duration | None = None
    expires: Duration | None = None
    keep: Duration | None = None
    coalesce: str | None = None
    replace: bool | None = None
    meta: Mapping[str, Any] | None = None
    on_commit: str | Literal[False] | None = None
    tags: Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_coalesce(self.coalesce, self.replace)
        check_meta(self.meta)
        check_on_commit(self.on_commit)
        check_tags(self.tags)
        for what, name in (("queue", self.queue), ("id", self.id)):
            if name is not None:
                check_name(name, what)
        if self.key is not None and not _is_key(self.key):
            raise InvalidOption(f"key {self.key!r} is not text of 1 to {MAX_KEY_BYTES} bytes")
        for what, span in (("timeout", self.timeout), ("keep", self.keep), ("expires", self.expires)):
            if span is not None:
                positive_ms(span, what)
        if self.delay is not None and self.due is not None:
            raise InvalidOption("give delay or due, not both")
        if self.delay is not None or self.due is not None:
            from jqjobs.jobs.moments import check_delay, check_due  # a process that puts nothing off does without

            if self.delay is not None:
                check_delay(self.delay)
            else:
                check_due(self.due)
        check_integer(self.priority, "priority", PRIORITIES)
        check_integer(self.max_attempts, "max_attempts", range(1, 1_000_001))
        check_integer(self.max_crashes, "max_crashes", range(1, 1_000_001))

    def with_(self, later: Options) -> Options:
        """Return these options with those that ``later`` gives in their place; delay and due replace each other."""
        merged = {name: getattr(self, name) for name in self.__slots__}
        if later.delay is not None or later.due is not None:
            merged["delay"] = merged["due"] = None
        merged |= {name: value for name in self.__slots__ if (value := getattr(later, name)) is not None}
        return Options(**merged)

    def check_key(self) -> None:
        """Raise InvalidOption when coalescing is spoken of, and nothing coalesces."""
        if self.key is None and (self.coalesce is not None or self.replace):
            raise InvalidOption("coalesce and replace go with a key", hint="give the key in the same call, or before")

    @property
    def when(self) -> Duration | datetime | None:
        """What it says of when the job is due."""
        return self.delay if self.due is None else self.due

    def due_text(self) -> str:
        """Return when the job is due, as `NewJob.due` wants it; moments by the clock of this host."""
        if self.when is None:
            return ""
        from jqjobs.jobs.moments import due_text

        return due_text(self.when, "delay" if self.due is None else "due", time.time_ns() // 1_000_000)

    def fields(self) -> tuple[str | int, ...]:
        """Return the hash fields of what was overridden, flat."""
        found: list[str | int] = []
        for name, number in (("max_attempts", self.max_attempts), ("max_crashes", self.max_crashes)):
            if number is not None:
                found += [name, number]
        for name, span in (("timeout", self.timeout), ("keep", self.keep)):
            if span is not None:
                found += [name, duration_ms(span, name)]
        if self.expires is not None:
            found += ["expires", f"+{duration_ms(self.expires, 'expires')}"]
        return (*found, *tag_fields(self.tags))


NO_OPTIONS = Options()


def parse_ref(text: str) -> tuple[str | None, str]:
    """Return (queue or None, id) of ``queue/id`` or a bare id. Raises: InvalidName."""
    queue, slash, job_id = text.rpartition("/")
    if slash:
        check_name(queue, "queue")
    return (queue or None, check_name(job_id, "id"))
