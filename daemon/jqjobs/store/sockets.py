"""Opens sockets to an address, has their waits end, and says why one cannot be had. Knows nothing of commands."""

from __future__ import annotations

import math
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Protocol

from jqjobs.errors import ConfigError, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.look_ups import look_up
from jqjobs.store.tls import explain

#: A connection that has been idle for so long is asked by the kernel, every so often, and given up after so many times.
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
#: By who names the server, see `Address.named_by`.
_WHERE = {
    "": "JQ_REDIS_URL says where to look",
    "sentinels": "the sentinels name that address, which must lead there from here, too",
    "nodes": "the nodes of the cluster name that address, which must lead there from here, too",
}
_WITH_TLS = "if TLS is spoken at that port, write rediss://"
#: How a record of TLS begins that says what was wrong; hiredis quotes it.
_TLS_ALERT = r'"\x15"'
_SHORTEST_S = 0.001  # 0 would be: never, or at once


def open_socket(address: Address, timeout_s: float) -> socket.socket:
    """Connect within ``timeout_s``, the handshake of TLS included, and return the socket. Raises: OSError."""
    until_s = time.monotonic() + timeout_s
    context = address.tls.context() if address.tls else None  # first: no socket is left open where files are wanting
    sock = _open_unix(address.path, timeout_s) if address.path else _open_tcp(address, until_s)
    if context is not None:
        sock.settimeout(_left_s(until_s))
        sock = context.wrap_socket(sock, server_hostname=address.host)
    limit_waits(sock, timeout_s)
    return sock


def _open_unix(path: str, timeout_s: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def _open_tcp(address: Address, until_s: float) -> socket.socket:
    """Try all that the name stands for, one after the other: the time is shared among those that are left."""
    places = look_up(address.host, address.port, until_s)
    for tried, (family, kind, protocol, _, place) in enumerate(places):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left_s(until_s) / (len(places) - tried))
            sock.connect(place)
        except OSError:
            sock.close()
            if tried == len(places) - 1:
                raise
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(sock)
        return sock
    raise OSError(0, f"{address.host} has no address")


def _left_s(until_s: float) -> float:
    return max(_SHORTEST_S, until_s - time.monotonic())


class Poll(Protocol):
    """Tells whether a socket can be read from, or has ended."""

    def poll(self, wait_ms: float, /) -> Sequence[object]:
        """Return nothing unless it is so within that time."""
        ...


def poll_of(sock: socket.socket) -> Poll:
    """Return what tells whether a socket can be read from."""
    if not hasattr(select, "poll"):
        return _Selected(sock)
    poll = select.poll()  # select() cannot watch descriptors above 1023
    poll.register(sock, select.POLLIN)
    return poll


class _Selected:
    """For eventlet, which takes poll() away."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def poll(self, wait_ms: float, /) -> Sequence[object]:
        return select.select([self._sock], [], [], wait_ms / 1000)[0]


def limit_waits(sock: socket.socket, timeout_s: float) -> None:
    """Have each wait end after ``timeout_s``: by the kernel, where it does the waiting; that costs nothing a wait."""
    if type(sock).__module__ != "socket":
        sock.settimeout(timeout_s)  # TLS and what gevent puts in its place wait by themselves
        return
    seconds, rest = divmod(timeout_s, 1)
    timeval = struct.pack("ll", int(seconds), int(rest * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    sock.settimeout(None)


class Waits:
    """How long the waits of a connection may take: each step its time, less when all must have ended by a moment."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        #: Whose waits they are, while there is a connection.
        self.sock: socket.socket | None = None
        #: By when what comes next is to have ended, see `hurry`.
        self.until_s = math.inf
        self._most_s, self._limit_s = math.inf, timeout_s

    def open(self, address: Address) -> socket.socket:
        """Connect within the time of a step, which each wait of the socket has, too.

        Raises: StoreUnavailable, ConfigError.
        """
        self._limit_s = self.step_s
        try:
            self.sock = open_socket(address, self._limit_s)
        except OSError as error:
            raise unavailable(address, error) from error
        except ValueError as error:
            raise unusable(error) from None
        return self.sock

    def hurry(self, until_s: float) -> None:
        """Have what comes next end by then, seconds of the monotonic clock; infinity: each step has its time again."""
        self.until_s = until_s
        self.limit()

    def shorten(self, most_s: float) -> None:
        """Have each step from now on take no longer than that; infinity: it has its time again."""
        self._most_s = most_s
        self.limit()

    def limit(self) -> None:
        """Tell the socket how long each wait may take now, where that makes a difference."""
        step_s = self.step_s
        if self.sock is not None and not 0.9 <= step_s / self._limit_s <= 1:
            limit_waits(self.sock, step_s)
            self._limit_s = step_s

    @property
    def step_s(self) -> float:
        """How long the next step may take."""
        return max(_SHORTEST_S, min(self.timeout_s, self._most_s, self.until_s - time.monotonic()))


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel notice a peer that is gone without a word, and routers remember a connection that is idle."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:  # each system has its own
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def unavailable(address: Address, error: OSError, *, unanswered: bool = False) -> StoreUnavailable:
    """Return the error of a connection that cannot be made, or broke."""
    is_late = isinstance(error, (TimeoutError, BlockingIOError))
    reason, why, hint = explain(error) if address.tls else ("", "", "")
    why = why or ("no answer in time" if is_late else _words_of(error))
    where = f"is it running? {_WHERE[address.named_by]}"
    if isinstance(error, ConnectionResetError) and not (address.path or address.named_by == "nodes"):
        where = f"{where}; {_WITH_TLS}"  # a server that wants TLS hangs up on who speaks without
    return StoreUnavailable(
        f"Redis at {address} cannot be reached: {why}", hint or where,
        unanswered=unanswered, reason=reason,
    )  # fmt: skip


def _words_of(error: OSError) -> str:
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio has words of its own
    return error.strerror or str(error)


def no_redis(address: Address, error: Exception, *, unanswered: bool = False) -> StoreError:
    """Return the error of what answers, and in another language."""
    hint = _WITH_TLS if _TLS_ALERT in str(error) else _WHERE[address.named_by]
    return StoreError(f"what answers at {address} is no Redis: {error}", hint, unanswered=unanswered)  # fmt: skip


def unusable(error: ValueError) -> ConfigError:
    """Return the error of a host or path that no socket takes: too long a label, a NUL."""
    return ConfigError(f"the Redis URL names no usable place: {error}")
