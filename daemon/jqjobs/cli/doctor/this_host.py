"""What the host on which this runs knows: workers that work with another Redis, and, beside it, the host of Redis."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from jqjobs.base.process import identity_of
from jqjobs.daemon.leases.orphans import read_identity
from jqjobs.daemon.workers.runtime import base_of_boards, folder_of
from jqjobs.link.board import Board
from jqjobs.store.address import Address
from jqjobs.store.reply_values import integer


def workers_elsewhere(address: Address, environ: Mapping[str, str] = os.environ) -> int:
    """Return how many workers of this host and user live whose boards are of another Redis, database or prefix."""
    boards = base_of_boards(environ.get("JQ_RUNTIME_DIR", ""), environ).glob("*/*.board")
    try:
        return sum(_is_alive(path) for path in boards if path.parent.name != folder_of(address))
    except OSError:  # others remove things here, too
        return 0


def _is_alive(path: Path) -> bool:
    try:
        board = Board(path)
    except (OSError, ValueError):
        return False
    try:
        worker = read_identity(board.header.get("worker"))
    finally:
        board.close()
    return worker is not None and worker.started != 0 and worker == identity_of(worker.pid)


def redis_host(info: Mapping[str, str], proc: Path = Path("/proc")) -> tuple[int | None, bool | None]:
    """Return vm.overcommit_memory and whether Redis may use transparent huge pages; None where it is not on this host.

    ``info``: names its process, and what listens there must be called like it: its pid may be of another host.
    """
    place = proc / info.get("process_id", "?")
    if not any(name in _read(place / "comm") for name in ("redis", "valkey")):
        return None, None
    enabled = _read(proc.parent / "sys/kernel/mm/transparent_hugepage/enabled")
    is_asked_out = "THP_enabled:\t0" in _read(place / "status")
    return integer(_read(proc / "sys/vm/overcommit_memory")), "[always]" in enabled and not is_asked_out


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
