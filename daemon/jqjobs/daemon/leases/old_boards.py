"""Removes from the runtime directory what nobody else will: boards of daemons that nobody here can prove dead, once
they have been silent for a day, and folders of Redis addresses that nobody has used for as long.

Containers and hosts may share such a directory. Their pids mean nothing here, so only age decides; a day is much longer
than any lease, so that all such a board could tell is settled in Redis. Boards of this host and pid namespace are
`orphans`' affair, however old: the next daemon of their Redis wants them.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from jqjobs.base.clock import monotonic_ms
from jqjobs.base.process import Identity, identity_of
from jqjobs.daemon.leases.orphans import read_identity
from jqjobs.link.board import Board, remove_files
from jqjobs.link.board_layout import Word

_DAY_S = 86_400.0
#: How `workers.runtime` names the folder of one Redis.
_FOLDER = re.compile(r"[0-9a-f]{12}")


def remove_old_boards(place: Path) -> None:
    """Look at ``place``, the folder of a daemon's boards, and at those beside it."""
    with suppress(OSError):  # others remove things here, too
        for folder in list(place.parent.iterdir()):
            if _FOLDER.fullmatch(folder.name) and folder.is_dir():
                for path in folder.glob("*.board"):
                    if _age_s(path) > _DAY_S and _is_silent(path):
                        remove_files(path)
                if folder != place and _age_s(folder) > _DAY_S:
                    with suppress(OSError):  # it is not empty
                        folder.rmdir()


def _is_silent(path: Path) -> bool:
    """Whether a board belongs to a daemon that nobody here can prove dead, and has not been written for long."""
    try:
        board = Board(path)
    except (OSError, ValueError):
        return False
    try:
        daemon, here = read_identity(board.header.get("daemon")), identity_of(os.getpid())
        if daemon is None or _is_provable(daemon, here):
            return False
        if daemon.boot_id != here.boot_id:
            return True  # what it says of time is of another clock; its file is old enough
        written_ms = max(board.word(Word.LEASE_UNTIL), board.word(Word.TICK))  # a mapped file may keep its date
        return monotonic_ms() - written_ms > _DAY_S * 1000
    finally:
        board.close()


def _is_provable(daemon: Identity, here: Identity) -> bool:
    return daemon.host == here.host and (daemon.boot_id != here.boot_id or daemon.pid_namespace == here.pid_namespace)


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime
