"""What the main loop and the lease thread tell each other: plain records over thread-safe queues."""

from __future__ import annotations

from dataclasses import dataclass, field

from jqjobs.jobs.records import AttemptRef
from jqjobs.link.board import Board
from jqjobs.store.calls.leases import Roster
from jqjobs.store.wire import Argument


@dataclass(frozen=True, slots=True)
class Join:
    """Command: give a ready worker its lease. ``missing``: queues that it begins without, see `worker.life.joining`."""

    worker_id: str
    queues: tuple[str, ...]
    roster: Roster
    board: Board
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Charge:
    """Why a worker is dead, from which follows what the jobs it ran are charged (`leases.blaming`).

    ``was_stopped``: whoever ended it meant to, so nobody pays. ``killed_as``: "hung" or "cancelled" when its daemon
    killed it for the attempt ``only``, else "".
    """

    cause: str
    was_stopped: bool = False
    killed_as: str = ""
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


@dataclass(frozen=True, slots=True)
class Drain:
    """Command: say in Redis that these workers, id → queues, are about to end, so that nobody is charged for it."""

    workers: dict[str, tuple[str, ...]]
    worker_id: str = ""


#: What the main loop can ask of the lease thread.
Command = Join | EndWorker | Recall | Drain


@dataclass(frozen=True, slots=True)
class LeaseEvent:
    """Something the main loop must hear. ``kind``: joined, fenced, refused, exhausted.

    Or outgrown: a queue of the worker has partitions that it does not serve, or it began without a queue that is
    served again; which of these is the message.
    """

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
