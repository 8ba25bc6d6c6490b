"""Chains and batches, as values: steps as they are written, names, and what is known of a batch.

A step is an envelope (docs/protocol.md, "Chains"); what comes after a job is one text (lua/rules/flow/steps.lua).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import parse_ref

#: What comes after a job has so many steps at most, of so many bytes together.
MAX_STEPS, MAX_STEP_BYTES = 16, 64 * 1024
#: So many jobs a step may be that is a list.
MAX_MEMBERS = 1000
#: A step whose result takes more passes nothing on to the next one.
MAX_PREVIOUS_BYTES = 64 * 1024
#: Ids of what follows are longer than those they derive from.
MAX_ROOT_LENGTH, MAX_ID_LENGTH = 64, 128
#: Before the text of a step its length in bytes stands.
_LENGTH = re.compile(rb"([0-9]{1,6}):")


class Flow(StrEnum):
    """What a job has beside itself, as its field `flow` says it."""

    THEN = "t"
    BATCH = "b"
    PREVIOUS = "p"


class OnDead(StrEnum):
    """What a batch does when one of its members is dead."""

    WAIT = "wait"  #: until somebody retries it
    CANCEL = "cancel"  #: the others
    GO = "go"  #: on, as if it had succeeded


def on_dead_of(said: str) -> OnDead:
    """Return what somebody wants of a batch with a dead member. Raises: InvalidOption."""
    if said not in list(OnDead):
        raise InvalidOption(f"on_dead {said!r} is none of {', '.join(OnDead)}")
    return OnDead(said)


class BatchState(StrEnum):
    """How far a batch is."""

    UNKNOWN = "unknown"  #: nobody has opened it, or it was over and is forgotten
    OPEN = "open"  #: more may be added
    RUNNING = "running"
    WAITING = "waiting"  #: all members have ended, some are dead, and may be retried
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Step(NamedTuple):
    """A step that is to come. ``names``: its job, or those of a list. ``queue``: None: that of the job before it."""

    names: tuple[str, ...]
    queue: str | None = None
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """What is known of a batch. ``total``: members that were added from outside; ``finished_ms``: None: it is not over.

    ``dead``: members that are dead just now. ``kept``: of those that succeeded, how many are kept with their results.
    """

    queue: str
    id: str
    state: BatchState
    total: int
    open: int
    succeeded: int
    dead: int
    kept: int
    on_dead: OnDead
    created_ms: int
    finished_ms: int | None

    @property
    def ref(self) -> str:
        """``queue/id``."""
        return f"{self.queue}/{self.id}"

    @property
    def is_over(self) -> bool:
        """Whether nothing can change it any more."""
        return self.finished_ms is not None


def written(steps: Sequence[bytes]) -> bytes:
    """Return steps as a job's field `then` has them. Raises: InvalidOption."""
    if len(steps) > MAX_STEPS:
        raise InvalidOption(f"{len(steps)} steps come after a job, more than {MAX_STEPS}")
    if (size := sum(map(len, steps))) > MAX_STEP_BYTES:
        raise InvalidOption(f"what comes after a job takes {size} bytes, more than 64 KiB", hint="pass references")
    return b"".join(b"%d:%b" % (len(step), step) for step in steps)


def flow_fields(then: bytes = b"", batch: str | None = None) -> tuple[str | bytes, ...]:
    """Return the fields of a job after which steps come, as `written` has them, or that a batch waits for, flat."""
    flow = (Flow.THEN if then else "") + (Flow.BATCH if batch else "")
    after, within = ("then", then) if then else (), ("batch", batch) if batch else ()
    return ("flow", flow, *after, *within) if flow else ()


def longest_id(root: int, number: int, members: Sequence[int]) -> int:
    """Return how long the ids of steps get (lua/rules/arrival/step_words.lua).

    ``root``: length of the id of the first, which has that number; ``members``: of each, how many a list has, else 0.
    """
    longest = 0
    for count in members:
        step = root + (len(f".{number}") if number > 1 else 0)
        longest = max(longest, step + (len(f".{count}") if count else 0))
        root, number = (step + len(".then"), 1) if count else (root, number + 1)
    return longest


def read_steps(written: bytes) -> tuple[Step, ...]:
    """Return the steps of a job's field `then`, as far as they can be read; a name that says nothing is "?"."""
    return tuple(_step(_object(text)) for text in step_texts(written))


def step_texts(written: bytes) -> Iterator[bytes]:
    """Yield the steps of a job's field `then`, each as JSON."""
    at = 0
    while length := _LENGTH.match(written, at):
        at = length.end() + int(length[1])
        yield written[length.end() : at]


def _step(said: dict[str, Any]) -> Step:
    members = said.get("all")
    if isinstance(members, list):
        return Step(tuple(_name(_object(each)) for each in members), is_list=True)
    queue = said.get("queue")
    return Step((_name(said),), queue if isinstance(queue, str) else None)


def _name(said: dict[str, Any]) -> str:
    name = said.get("job")
    return name if isinstance(name, str) else "?"


def _object(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def batch_ref(text: str) -> tuple[str, str]:
    """Return queue and id of a batch. Raises: InvalidName, InvalidOption."""
    queue, batch_id = parse_ref(text)
    if queue is None:
        raise InvalidOption(f"{text} names no batch", hint="a batch is queue/id")
    if len(batch_id) > MAX_ROOT_LENGTH:
        raise InvalidOption(f"the id of a batch has at most {MAX_ROOT_LENGTH} characters")
    return queue, batch_id
