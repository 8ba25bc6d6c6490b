"""Chains and batches, as values: steps as they are written, names, and what is known of a batch.

A step is an envelope (docs/protocol.md, "Chains"); what comes after a job is one text (lua/rules/flow/steps.lua).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import parse_ref

#: What comes after a job has so many steps at most, of so many bytes together.
MAX_STEPS, MAX_STEP_BYTES = 16, 64 * 1024
#: A step whose result takes more passes nothing on to the next one.
MAX_PREVIOUS_BYTES = 64 * 1024
#: Ids of what follows are longer than those they derive from.
MAX_ROOT_LENGTH, MAX_ID_LENGTH = 64, 128


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


class BatchState(StrEnum):
    """How far a batch is."""

    UNKNOWN = "unknown"  #: nobody has opened it, or it was over and is forgotten
    OPEN = "open"  #: more may be added
    RUNNING = "running"
    WAITING = "waiting"  #: all members have ended, some are dead, and may be retried
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


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


def batch_ref(text: str) -> tuple[str, str]:
    """Return queue and id of a batch. Raises: InvalidName, InvalidOption."""
    queue, batch_id = parse_ref(text)
    if queue is None:
        raise InvalidOption(f"{text} names no batch", hint="a batch is queue/id")
    if len(batch_id) > MAX_ROOT_LENGTH:
        raise InvalidOption(f"the id of a batch has at most {MAX_ROOT_LENGTH} characters")
    return queue, batch_id
