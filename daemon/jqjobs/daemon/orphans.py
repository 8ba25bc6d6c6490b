"""Finds boards whose worker and daemon are both proven dead, and buries those workers.

So the jobs of a daemon that was killed are runnable again as soon as any daemon of the host looks here,
instead of when the lease runs out. Nobody is charged: what may have been running becomes a suspect.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jqjobs.board import Board, Entry, Stage
from jqjobs.process import Identity, is_proven_dead
from jqjobs.store.calls import BoardEntry

#: A board without a header whose daemon died between making and describing it never had a lease.
_NAMELESS_S = 3600.0
_STATES = {
    Stage.RUNNING: "running", Stage.SUCCEEDED: "succeeded", Stage.FAILED: "failed", Stage.WAITING: "waiting {ms}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Orphan:
    """A dead worker of a dead daemon."""

    worker_id: str
    queues: tuple[str, ...]
    board: Board


def find_orphans(directory: Path) -> list[Orphan]:
    """Return the orphans among the boards of ``directory``."""
    return [orphan for path in sorted(directory.glob("*.board")) if (orphan := _orphan(path))]


def _orphan(path: Path) -> Orphan | None:
    try:
        board = Board(path)
    except (OSError, ValueError):
        return None  # just taken up by somebody else, or no board at all
    header = board.header
    worker, daemon = _identity(header.get("worker")), _identity(header.get("daemon"))
    if worker and daemon and is_proven_dead(daemon) and is_proven_dead(worker):
        return Orphan(str(header.get("worker_id")), tuple(header.get("queues", ())), board)
    nameless = not header and time.time() - _changed_s(path) > _NAMELESS_S
    (board.remove if nameless else board.close)()
    return None


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # somebody else has just removed it
        return time.time()


def _identity(values: Any) -> Identity | None:
    try:
        return Identity(**values)
    except TypeError:
        return None


def board_entries(entries: Collection[Entry], queue: str) -> list[BoardEntry]:
    """Return what the `leave` script must know of a dead worker's jobs in one queue."""
    return [
        BoardEntry(entry.id, entry.attempt, _STATES[entry.stage].format(ms=entry.since_ms))
        for entry in entries
        if entry.queue == queue and entry.stage in _STATES
    ]
