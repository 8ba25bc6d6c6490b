"""The control socket between a daemon and one worker: JSON objects, one a line. Its end means the peer is gone."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

_MOST_BYTES = 1024 * 1024


class Channel:
    """One end of the control socket, never blocking for reading.

    ``patient``: whoever speaks waits until the peer's end has room. The daemon does not: a worker whose job holds the
    GIL reads nothing for hours. What it has no room for is kept, and offered again with each message and each look.
    """

    def __init__(self, sock: socket.socket, *, patient: bool = True) -> None:
        self._sock = sock
        self._sock.setblocking(False)
        self._patient = patient
        self._buffer = b""
        self._unsent = b""
        self.closed = False

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close this end."""
        self.closed = True
        self._sock.close()

    def send(self, event: str, **facts: Any) -> None:
        """Send one message; a peer that is gone does not hear it, and `receive` will say so."""
        self._unsent += json.dumps({"event": event, **facts}).encode() + b"\n"
        with contextlib.suppress(OSError):
            self._sock.setblocking(self._patient)
            self._offer()
        with contextlib.suppress(OSError):
            self._sock.setblocking(False)
        if len(self._unsent) > _MOST_BYTES:
            self.close()

    def _offer(self) -> None:
        """Send what was not sent yet, as far as there is room."""
        while self._unsent:
            try:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
            except BlockingIOError:
                return
            except OSError:
                self._unsent = b""

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that are there; `closed` is set once the peer is gone."""
        self._offer()
        while not self.closed:
            try:
                data = self._sock.recv(65536)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.closed = not data
            self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        if len(self._buffer) > _MOST_BYTES:
            self.closed = True
        return [message for line in lines if (message := _message(line))]


def _message(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "event" in found else None
