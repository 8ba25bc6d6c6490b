"""One output of the daemon, a pipe, a socket or a file: lines go in whole, and come out whole and in order.

Used by the relay's thread alone. Waits for a reader that is slow, not for one that has stopped, nor for a disk that is
full: what they do not take is counted, and told as soon as they do.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
from collections.abc import Callable

#: What waits for the reader at most, bytes; with more, who writes waits too.
MOST_PENDING = 256 * 1024
#: A reader that took nothing for so long has stopped.
PATIENCE_S = 1.0


class Sink:
    """``note``: makes the line that says how many were lost."""

    def __init__(self, descriptor: int, note: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._note = note
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._pending = bytearray()
        self._lost = 0
        self._told = 0  # by a note that is pending
        self._added = 0  # lines that are pending, and are not of those who write
        self._is_torn = False
        self._has_stopped = False
        # A pipe that polls as writable takes PIPE_BUF bytes without waiting: pipe(7). O_NONBLOCK would change it for
        # every process that has it, the user's shell included.
        self._most_at_once = select.PIPE_BUF
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            self._most_at_once = MOST_PENDING
            # So that others who write there too, after `>log 2>log` or a log that was truncated, overwrite nothing.
            fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)

    @property
    def is_pending(self) -> bool:
        """Whether there is something that the reader has not taken yet."""
        return bool(self._pending)

    def put(self, lines: bytes) -> None:
        """Add lines, each with its end, or count them as lost if too much is pending and the reader has stopped."""
        if self._is_full:
            self.flush()
        if self._is_full:
            self._lost += lines.count(b"\n")
            return
        if self._is_torn and not self._pending:
            self._pending += b"\n"
            self._added += 1
        if self._lost:
            self._pending += self._note(self._lost)
            self._lost, self._told = 0, self._told + self._lost
            self._added += 1
        self._pending += lines

    def flush(self) -> None:
        """Write what is taken now. If too much is pending, wait for a reader that has not stopped."""
        while self._pending and self._is_ready(0):
            self._write_some()
        while self._is_full and not self._has_stopped:
            self._wait()

    def end(self) -> None:
        """Write all that a reader takes which has not stopped."""
        while self._pending and not self._has_stopped:
            self._wait()

    @property
    def _is_full(self) -> bool:
        return len(self._pending) >= MOST_PENDING

    def _wait(self) -> None:
        if self._is_ready(PATIENCE_S):
            self._write_some()
        else:
            self._has_stopped = True

    def _is_ready(self, patience_s: float) -> bool:
        return bool(self._poll.poll(patience_s * 1000))

    def _write_some(self) -> None:
        try:
            written = os.write(self._descriptor, memoryview(self._pending)[: self._most_at_once].tobytes())
        except OSError:  # nobody reads any more, the disk is full
            self._lose_pending()
            return
        self._is_torn = self._pending[written - 1 : written] != b"\n"
        del self._pending[:written]
        self._has_stopped = False
        if not self._pending:
            self._told = self._added = 0

    def _lose_pending(self) -> None:
        self._lost += self._pending.count(b"\n") - self._added + self._told
        self._told = self._added = 0
        self._pending.clear()
