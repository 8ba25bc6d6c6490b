"""Whose turn it is to reload: the daemons of a host take it one after another, so that most workers go on.

A lock on a file in the runtime directory, which they share. The kernel frees it when its holder dies.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from jqjobs.base.file_lock import lock_file

_FILE = "reload.turn"
_PATIENCE_S = 60.0


class HostLock:
    """One per daemon. Nothing here raises: where locks are impossible, everybody may go at any time."""

    def __init__(
        self, directory: Path, *, patience_s: float = _PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = directory / _FILE
        self._patience_s = patience_s
        self._clock = clock
        self._descriptor: int | None = None
        self._waiting_since_s = 0.0
        self._holder: bytes | None = None

    def try_take(self) -> bool:
        """Return whether to go ahead: the turn is ours, or its holder has kept us waiting for too long.

        A holder that is stuck must not stop a deploy; one that makes place for the next has not stopped it.
        """
        if self._descriptor is not None:
            return True
        try:
            self._descriptor = lock_file(self._path)
        except BlockingIOError:
            return self._is_out_of_patience()
        except OSError:
            return True
        _sign(self._descriptor)
        return True

    @property
    def is_held(self) -> bool:
        """Whether the others wait for us."""
        return self._descriptor is not None

    def give_back(self) -> None:
        """Let the next one go, and forget how long we waited."""
        self._holder = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_out_of_patience(self) -> bool:
        try:
            holder = self._path.read_bytes()
        except OSError:
            holder = b""
        if holder != self._holder:
            self._holder, self._waiting_since_s = holder, self._clock()
        return self._clock() - self._waiting_since_s >= self._patience_s


def _sign(descriptor: int) -> None:
    """Say that this is another turn, to those who measure how long one takes."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {time.monotonic_ns()}\n".encode(), 0)
    except OSError:
        return  # the disk is full: they think it is the turn before
