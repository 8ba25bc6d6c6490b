"""What the main loop and the lease thread tell each other: plain records over thread-safe queues."""

from __future__ import annotations

from dataclasses import dataclass, field

from jqjobs.jobs.records import AttemptRef
from jqjobs.link.board import Board
from jqjobs.store.wire import Argument


@dataclass(frozen=True, slots=True)
class Join:
    """Command: give a ready worker its lease."""

    worker_id: str
    queues: tuple[str, ...]
    names: tuple[str, ...]
    board: Board


@dataclass(frozen=True, slots=True)
class Charge:
    """What jobs are charged that were running when their worker died. ``mode``: see lua/leave.lua.

    ``only``: the one that its worker was killed for; the others are interrupted.
    """

    mode: str
    cause: str
    only: AttemptRef | None = None


@dataclass(frozen=True, slots=True)
class EndWorker:
    """Command: end a worker whose process is gone."""

    worker_id: str
    queues: tuple[str, ...]
    charge: Charge
    board: Board
    stacks: str = ""


@dataclass(frozen=True, slots=True)
class Recall:
    """Command: give back what a worker was told not to start. Tried once."""

    worker_id: str
    jobs: tuple[AttemptRef, ...]


#: What the main loop can ask of the lease thread.
Command = Join | EndWorker | Recall


@dataclass(frozen=True, slots=True)
class LeaseEvent:
    """Something the main loop must hear. ``kind``: joined, fenced, refused, exhausted."""

    kind: str
    worker_id: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the main loop wants known of this daemon: registry fields of the daemon and of its workers."""

    about: dict[str, Argument] = field(default_factory=dict)
    workers: dict[str, dict[str, Argument]] = field(default_factory=dict)
    is_busy: bool = False

    def states(self) -> tuple[object, ...]:
        """Return what is news when it changes: states, but not whether a worker has a job just now."""
        known = sorted((name, str(fields["state"]).replace("busy", "ready")) for name, fields in self.workers.items())
        return (self.about.get("state"), *known)
