"""One connection to Redis: commands out, replies in, errors with a type. No pool, no hidden retry.

Built on a socket and hiredis instead of redis-py, for two measured reasons: importing redis-py takes
240 ms (all of `jqctl status` has 300), and its per-command overhead is half of a worker's round trip.
Retrying is the business of whoever knows whether a command may be repeated (`Store`, the worker's loop).
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import hiredis

from jqjobs.errors import JqError, ScriptMissing, StoreBusy, StoreError, StoreFull, StoreRefused, StoreUnavailable
from jqjobs.store.address import Address, open_socket

Argument = str | bytes | int | float


def pack(command: Sequence[Argument]) -> bytes:
    """Return a command as the bytes that go over the wire."""
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub forgets bytes
    return packed


def _let_kernel_time(sock: socket.socket, timeout_s: float) -> None:
    """Have the kernel end what takes too long; Python's own timeouts cost a poll() for each send and each recv."""
    seconds, rest = divmod(timeout_s, 1)
    timeval = struct.pack("ll", int(seconds), max(1, int(rest * 1e6)))  # 0, 0 would be: never
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    sock.settimeout(None)


_BUSY = (
    "LOADING",
    "BUSY",
    "READONLY",
    "MASTERDOWN",
    "NOREPLICAS",
    "MISCONF",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "UNBLOCKED",
)
_REFUSED = ("NOAUTH", "WRONGPASS", "NOPERM", "DENIED")
#: Refusals that Redis words as a plain ERR: a password nobody asked for, a command denied inside a script.
_REFUSED_IN_WORDS = ("without any password configured", "The user executing the script can't", "ACL failure in script")


def error_of(reply: Exception) -> JqError:
    """Return the typed error of an error reply.

    Redis tells its kinds of errors apart only by their first word. An error raised inside a script
    carries its kind there too (Redis >= 7).
    """
    text = str(reply)
    word = text.split(" ", 1)[0]
    if word == "NOSCRIPT":
        return ScriptMissing(text)
    if word == "OOM":
        return StoreFull("Redis is at its maxmemory and refuses new jobs", hint="raise maxmemory or let workers drain")
    if word in _BUSY or "max number of clients" in text:
        return StoreBusy(f"Redis does not serve right now: {text}")
    if word in _REFUSED or any(said in text for said in _REFUSED_IN_WORDS):
        return StoreRefused(f"Redis refuses: {text}", hint="check user, password and ACL in JQ_REDIS_URL")
    return StoreError(text)


class _Whole:
    """After an interrupt (Ctrl-C, say) replies are left unread; the next command must not get them."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __enter__(self) -> None:
        """Nothing is under way yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        if error is not None and not isinstance(error, JqError):
            self._wire.close()


class Wire:
    """A connection that is made on first use and again after an error. Not for several threads at once."""

    def __init__(self, address: Address, *, timeout_s: float = 5.0, name: str = "jqjobs") -> None:
        self.address = address
        self.timeout_s = timeout_s
        self.name = name
        self._sock: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._pid = 0
        #: Around a command and its reply.
        self.whole = _Whole(self)

    @property
    def connected(self) -> bool:
        """Whether there is a connection that this very process made."""
        return self._sock is not None and self._pid == os.getpid()

    def connect(self) -> None:
        """Connect, authenticate, select the database. Raises: StoreUnavailable, StoreRefused, StoreBusy."""
        self.close()
        try:
            self._sock = open_socket(self.address, self.timeout_s)
            if not self.address.tls:
                _let_kernel_time(self._sock, self.timeout_s)
        except OSError as error:
            self.close()
            raise self._unavailable(error) from error
        self._pid = os.getpid()
        self._reader = hiredis.Reader()
        try:
            for greeting in self._greetings():
                self.call(*greeting)
        except JqError:
            self.close()
            raise

    def _greetings(self) -> list[tuple[Argument, ...]]:
        greetings: list[tuple[Argument, ...]] = []
        if self.address.password:
            user = (self.address.username,) if self.address.username else ()
            greetings.append(("AUTH", *user, self.address.password))
        if self.address.db:
            greetings.append(("SELECT", self.address.db))
        if self.address.tls and not greetings:
            # TLS 1.3 sends session tickets by itself; unread, they would look like an answer to whoever selects on us.
            greetings.append(("PING",))
        return greetings

    def close(self) -> None:
        """Drop the connection, if there is one. A forked child only forgets its parent's."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def fileno(self) -> int:
        """Return the socket's descriptor, for a selector."""
        return self._sock.fileno() if self._sock else -1

    def call(self, *command: Argument) -> Any:
        """Send one command and return its reply. Raises: StoreError and its kinds; error replies are raised."""
        return self.call_packed(pack(command))

    def call_packed(self, packed: bytes) -> Any:
        """Do what `call` does, with a command that is packed already."""
        with self.whole:
            self.send_packed(packed)
            return self.read()

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send commands together and return their replies; an error reply is an item, not raised."""
        with self.whole:
            self.send_packed(b"".join(map(pack, commands)))
            return [self.reply() for _ in commands]

    def send(self, command: tuple[Argument, ...]) -> None:
        """Write one command without waiting for its reply."""
        self.send_packed(pack(command))

    def send_packed(self, packed: bytes) -> None:
        """Write bytes that `pack` made, connecting first where needed."""
        if not self.connected:
            self.connect()
        assert self._sock is not None
        try:
            self._sock.sendall(packed)
        except OSError as error:
            raise self._broken(error) from error

    def read(self) -> Any:
        """Wait for one reply and return it. Raises what `call` raises."""
        reply = self.reply()
        if isinstance(reply, Exception):
            raise reply
        return reply

    def reply(self) -> Any:
        """Wait for one reply and return it, also when it is an error. Raises: StoreUnavailable."""
        try:
            reply = self._reader.gets()
            while reply is False:
                self._fill()
                reply = self._reader.gets()
        except hiredis.ProtocolError as error:
            self.close()
            raise StoreError(f"what answers at {self.address} is no Redis: {error}") from error
        return error_of(reply) if isinstance(reply, hiredis.ReplyError) else reply

    def _fill(self) -> None:
        if self._sock is None:
            raise StoreUnavailable(f"no connection to Redis at {self.address}")
        try:
            data = self._sock.recv(65536)
        except OSError as error:
            raise self._broken(error) from error
        if not data:
            raise self._broken(ConnectionResetError("the server closed the connection"))
        self._reader.feed(data)

    def poll(self, wait_s: float) -> bool:
        """Return whether a reply (or the end of the connection) is there within ``wait_s`` seconds."""
        if self._sock is None:
            return False
        poll = select.poll()  # select() cannot watch descriptors above 1023
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(wait_s * 1000))

    def _broken(self, error: OSError) -> StoreUnavailable:
        self.close()
        return self._unavailable(error)

    def _unavailable(self, error: OSError) -> StoreUnavailable:
        is_late = isinstance(error, (TimeoutError, BlockingIOError))
        why = "no answer in time" if is_late else (error.strerror or str(error))
        return StoreUnavailable(
            f"Redis at {self.address} cannot be reached: {why}",
            hint="is it running? JQ_REDIS_URL says where to look",
        )


def raise_first(replies: Sequence[Any]) -> Sequence[Any]:
    """Return replies of a pipeline, or raise the first error among them."""
    for reply in replies:
        if isinstance(reply, StoreError):
            raise reply
    return replies
