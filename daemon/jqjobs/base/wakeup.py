"""Ends a wait from elsewhere: from another thread, or when a signal comes. Whoever waits selects on a `Wakeup`."""

from __future__ import annotations

import socket
from signal import set_wakeup_fd

#: More than the kernel keeps of single bytes.
_MOST_BYTES = 65536


class Wakeup:
    """Readable from `ring`, or from a signal, until `clear`. However often it rang, that is one wake-up."""

    def __init__(self) -> None:
        self._read_end, self._write_end = socket.socketpair()
        self._read_end.setblocking(False)
        self._write_end.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable, for a selector or a poll."""
        return self._read_end.fileno()

    def ring(self) -> None:
        """End the wait, the next one if nobody waits now. Safe from any thread and any signal handler."""
        try:
            self._write_end.send(b"\0")
        except OSError:
            return  # full: it has not even heard what came before; closed: nobody waits any more

    def ring_at_signals(self) -> None:
        """Ring whenever a signal comes that has a Python handler. Main thread only; one of them in a process."""
        set_wakeup_fd(self._write_end.fileno(), warn_on_full_buffer=False)

    def rang_for(self, number: int) -> bool:
        """Whether that signal has come since the last `clear`, whoever its handler was."""
        try:
            return number in self._read_end.recv(_MOST_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            return False

    def clear(self) -> None:
        """Forget what rang so far; the next wait waits again."""
        try:
            self._read_end.recv(_MOST_BYTES)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends."""
        self._read_end.close()
        self._write_end.close()
