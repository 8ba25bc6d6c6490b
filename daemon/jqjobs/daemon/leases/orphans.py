"""Finds boards whose worker and daemon are both proven dead; `keeper` ends those workers.

So the jobs of a daemon that was killed are runnable again as soon as any daemon of the host looks here,
instead of when the lease runs out. Who pays is decided in `blaming`, for all that died with one daemon. Workers die
with their daemon, but not what their jobs have started: that is ended here too, before the jobs run again.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jqjobs.base.process import Identity, identity_of, is_proven_dead, kill_orphan_group
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Word

#: A board without a header whose daemon died between making and describing it never had a lease.
_NAMELESS_S = 3600.0


@dataclass(frozen=True, slots=True)
class Orphan:
    """A dead worker of a dead daemon."""

    worker_id: str
    worker: Identity
    queues: tuple[str, ...]
    board: Board
    daemon_id: str = ""

    @property
    def was_draining(self) -> bool:
        """Whether its daemon was about to end, so that nobody is to blame."""
        return self.board.word(Word.DRAINING) != 0

    def kill_descendants(self) -> bool:
        """Kill what its jobs have started and left in its process group; return whether there was anything."""
        alive_until_ms = max(self.board.word(Word.LEASE_UNTIL), self.board.word(Word.TICK))
        return kill_orphan_group(self.worker, alive_until_ms)


def find_orphans(directory: Path, our_id: str = "") -> list[list[Orphan]]:
    """Return the orphans among the boards of ``directory``: together those that died with the same daemon.

    Who runs on for a moment holds up the others of its daemon, since who pays is found among all that ran.
    ``our_id``: of the daemon that asks. One that was executed anew has another id than before, and the same pid.
    """
    groups: dict[str, list[Orphan]] = {}
    for path in sorted(directory.glob("*.board")):
        if (orphan := _orphan(path, our_id)) is not None:
            groups.setdefault(orphan.daemon_id, []).append(orphan)
    found = []
    for group in groups.values():
        if all(is_proven_dead(orphan.worker) for orphan in group):
            found.append(group)
        else:
            for orphan in group:
                orphan.board.close()
    return found


def _orphan(path: Path, our_id: str) -> Orphan | None:
    try:
        board = Board(path)
    except (OSError, ValueError):
        return None  # just taken up by somebody else, or no board at all
    header = board.header
    worker, daemon = read_identity(header.get("worker")), read_identity(header.get("daemon"))
    is_former_self = header.get("daemon_id") not in (None, our_id) and daemon == identity_of(os.getpid())
    is_left = daemon is not None and (is_former_self or is_proven_dead(daemon))
    if worker and is_left:
        about = str(header.get("worker_id")), worker, tuple(header.get("queues", ()))
        return Orphan(*about, board, str(header.get("daemon_id")))
    never_began = is_left and header.get("is_starting") is True  # it had no lease yet, and dies with its daemon
    nameless = not header and time.time() - _changed_s(path) > _NAMELESS_S
    (board.remove if never_began or nameless else board.close)()
    return None


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # somebody else has just removed it
        return time.time()


def read_identity(values: Any) -> Identity | None:
    """Return the process that a header names; None when it names none."""
    try:
        return Identity(**values)
    except TypeError:
        return None
