"""Ports that nobody else takes between their choice and the start of the server that is to listen there.

A socket of this process is bound to each until it ends, and does not listen: whoever connects is refused, whoever wants
any port gets another one. A server that says SO_REUSEADDR, as all of ours do, may listen there. Only Linux allows that;
elsewhere the port was free a moment ago.
"""

from __future__ import annotations

import socket
import sys

#: So far above its port a node of a cluster talks to the others.
BUS = 10_000


def free_port() -> int:
    """Return a TCP port of the loopback."""
    return _held(0)


def node_port() -> int:
    """Return one whose neighbour, where a node of a cluster talks to the others, is nobody else's either."""
    while True:
        port = free_port()
        try:
            _held(port + BUS)
            return port
        except (OSError, OverflowError):  # somebody has that, or there is none
            pass


def _held(port: int) -> int:
    holder = socket.socket()
    try:
        holder.bind(("127.0.0.1", port))
    except BaseException:
        holder.close()
        raise
    # Not before: two of us would share a port.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found = int(holder.getsockname()[1])
    if sys.platform == "linux":
        holder.detach()  # the end of this process closes it
    else:
        holder.close()
    return found
