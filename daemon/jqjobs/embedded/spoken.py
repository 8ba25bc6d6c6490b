"""What is said to an embedded server over its socket: PING and SHUTDOWN."""

from __future__ import annotations

import socket
from enum import Enum
from pathlib import Path

_TIMEOUT_S = 1.0


class PingAnswer(Enum):
    """What a PING over the socket showed."""

    READY, LOADING, SILENT = "ready", "loading", "silent"


def ping(path: Path) -> PingAnswer:
    """Ask the server at a socket whether it serves; wait at most a second for its answer."""
    reply = _send(path, b"PING\r\n")
    if reply.startswith(b"-LOADING"):
        return PingAnswer.LOADING
    # Any other reply, -BUSY too, comes from a server that serves.
    return PingAnswer.READY if reply else PingAnswer.SILENT


def shut_down(path: Path) -> None:
    """Tell the server at a socket to end."""
    _send(path, b"SHUTDOWN NOSAVE\r\n")  # its append-only file is written


def _send(path: Path, command: bytes) -> bytes:
    """Return the answer to a command, empty when none comes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(str(path))
            connection.sendall(command)
            return connection.recv(512)
        except OSError:
            return b""
