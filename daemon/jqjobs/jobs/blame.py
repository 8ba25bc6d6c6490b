"""Who pays for a death: pure decisions about what ran when a worker, or a daemon with all its workers, died.

- One job ran and its daemon saw the worker die: that job is charged a crash.
- Several ran, or the daemon died too: nobody knows whose doing it was. All that ran become *suspects*, and run again
  in groups at most half as large as the one that died. Who is the only suspect in what dies next is charged.
- Suspects died: only they are blamed, whoever ran beside them. Except that of one suspect and some newcomers each may
  have done it: all become suspects, which keeps them apart. The one has its worker to itself from then on: for good
  where other workers go on, else for a while, which doubles each time that it dies beside newcomers all the same.
- It happened during a drain: nobody is blamed. Whoever sends SIGKILL when the grace is over hits all processes, and not
  all at the same moment.

The scripts do what is decided here (lua/leave.lua). What nobody saw die is decided there: a lease that ran out proves
no death (lua/rules/outcome/lost.lua).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

#: Words for a job that ran when its worker died, as lua/leave.lua reads them: it did it; nobody did; another did.
#: The fourth is "suspect" and a `Suspicion`.
CRASHED, INTERRUPTED, NEIGHBOUR = "crashed", "interrupted", "neighbour"

_ALONE_MS = 10_000
_LEAST = -20

T = TypeVar("T")


class Scope(IntEnum):
    """Among whom the suspects that run at once are counted: those of one worker, of one daemon, of one host.

    Also what a worker may take: suspects of its own level and of those below it.
    """

    WORKER = 1
    DAEMON = 2
    HOST = 3


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why a job waits among the suspects. ``most``: so many suspects may run at once, within ``scope``.

    0 or less: one, as with 1, and nothing else beside it for as long as `alone_ms`.
    """

    most: int
    scope: Scope

    @property
    def alone_ms(self) -> int:
        """So long nothing runs beside it, ms, even where that holds up others; 0: no need."""
        return 0 if self.most > 0 else _ALONE_MS << -self.most

    def __str__(self) -> str:
        """Return it as the job's field `suspect` has it."""
        return f"{self.most} {self.scope.value}"


def read_suspicion(text: str | None) -> Suspicion | None:
    """Read a job's field `suspect`; None for a job that is none, or whose field is damaged."""
    try:
        most, scope = map(int, (text or "").split(" "))
        return Suspicion(max(_LEAST, most), Scope(scope))
    except ValueError:
        return None


def verdicts(ran: Sequence[tuple[T, Suspicion | None]], scope: Scope) -> dict[T, str]:
    """Return what becomes of each job that ran in what died together.

    ``ran``: which they were, in all queues, each with what it was suspected of before. ``scope``: what died:
    `Scope.WORKER` when its daemon lives and saw it, else `Scope.DAEMON`.
    """
    suspects = {job: before for job, before in ran if before is not None}
    if suspects:
        beside = [job for job, before in ran if before is None]
        return _blame_suspects(suspects, beside, scope)
    if len(ran) == 1 and scope is Scope.WORKER:
        return {ran[0][0]: CRASHED}
    return _suspect([job for job, _ in ran], scope)


def _suspect(ran: Sequence[T], scope: Scope) -> dict[T, str]:
    return dict.fromkeys(ran, f"suspect {Suspicion(max(1, len(ran) // 2), scope)}")


def _blame_suspects(suspects: dict[T, Suspicion], beside: Sequence[T], scope: Scope) -> dict[T, str]:
    free = dict.fromkeys(beside, NEIGHBOUR)
    if len(suspects) > 1:
        return free | {
            job: f"suspect {Suspicion(max(1, before.most // 2), max(before.scope, scope))}"
            for job, before in suspects.items()
        }
    [(job, before)] = suspects.items()
    if not beside or (before.most <= 0 and scope is not Scope.WORKER):
        return free | {job: CRASHED}
    most = max(_LEAST, min(0, before.most - 1))
    return _suspect(beside, scope) | {job: f"suspect {Suspicion(most, max(before.scope, scope))}"}


def levels(workers: Sequence[T], *, has_daemon: bool, has_host: bool) -> dict[T, int]:
    """Return up to which scope each worker of a daemon takes suspects; 0: it goes on with what is ready.

    Half of them do, at least one. Only the first takes those that are counted for the whole daemon, if nobody else
    still may run some (``has_daemon``), and those of the host where this daemon is the one that does (``has_host``).
    """
    takers = max(1, len(workers) // 2)
    found = {worker: int(Scope.WORKER) if place < takers else 0 for place, worker in enumerate(workers)}
    if workers and has_daemon:
        found[workers[0]] = Scope.HOST if has_host else Scope.DAEMON
    return found
