"""One connection to Redis: commands out, replies in, errors with a type. No pool, no hidden retry.

Built on a socket and hiredis instead of redis-py, for two measured reasons: importing redis-py takes
240 ms (all of `jqctl status` has 300), and its per-command overhead is half of a worker's round trip.
Retrying is the business of whoever knows whether a command may be repeated (`Store`, the worker's loop).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol

import hiredis

from jqjobs.errors import JqError, StoreBusy, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.error_replies import MOVED, error_of
from jqjobs.store.greetings import Greeting, ask_login, check_greeted, check_named, client_name, greetings_of
from jqjobs.store.sentinels import Place, Sentinels
from jqjobs.store.slot_map import Follower, sent_on, slot_map_of, was_unreached
from jqjobs.store.sockets import Poll, Waits, no_redis, poll_of, unavailable
from jqjobs.store.switches import switched, switches_of

Argument = str | bytes | int | float


def pack(command: Sequence[Argument]) -> bytes:
    """Return a command as the bytes that go over the wire."""
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub forgets bytes
    return packed


class Closed(Protocol):
    """What may have to be closed."""

    def close(self) -> None:
        """Drop all connections."""
        ...


class Whole:
    """After an interrupt (Ctrl-C, say) replies are left unread; the next command must not get them."""

    def __init__(self, wire: Closed) -> None:
        self._wire = wire

    def __enter__(self) -> None:
        """Nothing is under way yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        if error is not None and not isinstance(error, JqError):
            self._wire.close()


class Wire:
    """A connection that is made on first use and again after an error. Not for several threads at once.

    ``timeout_s``: for connecting, and for each send and each reply. ``name``: what `CLIENT LIST` shows of it.
    """

    def __init__(self, address: Address, *, timeout_s: float = 5.0, name: str = "jqjobs") -> None:
        self.address = address
        #: Which queue it is for, where a cluster has them in different places.
        self.tag = address.tag
        self.name = client_name(name)
        #: Where it leads, of all places behind its address; only kept behind sentinels, see `switches`.
        self.place: Place | None = None
        self._sock: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._poll: Poll | None = None
        self._pid = 0
        #: How long it waits; who is in a hurry says so there.
        self.waits = Waits(timeout_s)
        #: When somebody looked whether it is of use, seconds of the monotonic clock; see `freshness`.
        self.looked_s = 0.0
        #: Around a command and its reply.
        self.whole = Whole(self)
        #: This one; others are made of several, see `nodes`.
        self.connections: Sequence[Wire] = (self,)

    @property
    def connected(self) -> bool:
        """Whether there is a connection that this very process made, to a server that serves writes."""
        return self._sock is not None and self._pid == os.getpid()

    def connect(self, packed: bytes = b"") -> None:
        """Connect, authenticate, select the database, say our name.

        ``packed`` is sent behind that; its reply may be here already, so that no selector sees it any more.
        Raises: StoreUnavailable, StoreRefused, StoreBusy, ConfigError.
        """
        self.close()
        username, password = ask_login(self.address)
        greetings, naming = greetings_of(self.address, username, password), pack(("CLIENT", "SETNAME", self.name))
        try:
            server = located(self.address, self, self.waits.step_s)
            self._sock, self._pid, self._reader = self.waits.open(server), os.getpid(), hiredis.Reader()
            self._poll, self.looked_s = poll_of(self._sock), time.monotonic()
            # Not along with greetings: until they are answered it may be somebody else's command, in another database.
            self._write(b"".join(map(pack, greetings)) + naming + (b"" if greetings else packed))
            _hear_welcome(self, greetings, username, password)
            self.waits.limit()
            if greetings and packed:
                self._write(packed)
        except StoreError as error:
            was_unreached(self.address, self.place)
            self.close()
            error.unanswered = error.unanswered and bool(packed) and not greetings
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection, if there is one. A forked child only forgets its parent's."""
        self.place = None
        if self._sock is not None:
            self._sock.close()
            self._sock = self.waits.sock = None

    def cut(self) -> None:
        """End the connection under whoever uses it: the primary is elsewhere. Called from another thread."""
        sock, self.place = self._sock, None
        if sock is not None:
            with suppress(OSError):  # and not by the method of TLS, which would have the rest read in clear
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def fileno(self) -> int:
        """Return the socket's descriptor, for a selector."""
        return self._sock.fileno() if self._sock else -1

    def call(self, *command: Argument) -> Any:
        """Send one command and return its reply. Raises: StoreError and its kinds; error replies are raised."""
        return self.call_packed(pack(command))

    def call_packed(self, packed: bytes) -> Any:
        """Do what `call` does, with a command that is packed already."""
        with self.whole:
            if self.connected:
                self._write(packed)
            else:
                self.connect(packed)
            return raised(self.reply())

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send commands together and return their replies; an error reply is an item, not raised."""
        packed = b"".join(map(pack, commands))
        with self.whole:
            if self.connected:
                self._write(packed)
            else:
                self.connect(packed)
            return [self.reply() for _ in commands]

    def send(self, *commands: Sequence[Argument]) -> None:
        """Write commands without waiting for their replies; a selector sees those."""
        if not self.connected:
            self.connect()
        self._write(b"".join(map(pack, commands)))

    #: Of several nodes one may not be reached; who asks for parts gets it as the replies of that one, see `nodes`.
    pipeline_in_parts = pipeline

    def _write(self, packed: bytes) -> None:
        assert self._sock is not None
        try:
            self._sock.sendall(packed)
        except OSError as error:
            self.close()
            raise unavailable(self.address, error) from error

    def reply(self) -> Any:
        """Wait for one reply and return it, also when it is an error. Raises: StoreUnavailable."""
        try:
            reply = self._reader.gets()
            while reply is False:
                self._fill()
                reply = self._reader.gets()
        except hiredis.ProtocolError as error:
            self.close()
            raise no_redis(self.address, error) from error
        if not isinstance(reply, hiredis.ReplyError):
            return reply
        refusal = error_of(reply)
        if self.address.cluster is not None:
            refusal = sent_on(self.address, refusal, self.place)
        if isinstance(refusal, StoreBusy) and refusal.reason in (*MOVED, "MOVED"):
            self._pid = 0  # no primary (any more): left before the next command, replies under way are still read
        return refusal

    def _fill(self) -> None:
        if self._sock is None:
            raise StoreUnavailable(f"no connection to Redis at {self.address}")
        try:
            data = self._sock.recv(65536)
            if not data:
                raise ConnectionResetError("the server closed the connection")
        except OSError as error:
            self.close()
            raise unavailable(self.address, error, unanswered=True) from error
        self._reader.feed(data)

    def poll(self, wait_s: float) -> bool:
        """Return whether a reply (or the end of the connection) is there within ``wait_s`` seconds."""
        if self._sock is None or self._poll is None:
            return False
        return bool(self._poll.poll(wait_s * 1000))

    def arrived(self, wait_s: float) -> list[Any]:
        """Return the replies that are here within ``wait_s`` seconds, errors among them. Raises: StoreUnavailable."""
        if self.poll(wait_s):
            self._fill()
        try:
            replies = list(iter(self._reader.gets, False))
        except hiredis.ProtocolError as error:
            self.close()
            raise no_redis(self.address, error) from error
        return [error_of(reply) if isinstance(reply, hiredis.ReplyError) else reply for reply in replies]


def _hear_welcome(wire: Wire, greetings: Sequence[Greeting], *secrets: str) -> None:
    """Read what a new connection is answered. Raises: StoreError and its kinds; then it is of no use."""
    for greeting in greetings:
        check_greeted(greeting, wire.reply(), *secrets)
    # Awaited, so that who selects on us takes neither this for an answer, nor the session tickets of TLS 1.3.
    check_named(wire.reply())
    check_still_there(wire.address, wire)


def located(address: Address, connection: Follower, timeout_s: float) -> Address:
    """Return the address of the server that is meant by now: behind sentinels, the one that they name; of a cluster,
    the one that has the queue.

    Raises: StoreUnavailable, StoreRefused.
    """
    if address.sentinels is not None:
        return address.node(switches_of(address.sentinels).lead(connection, _to_sentinel, timeout_s))
    if address.cluster is not None:
        return address.node(slot_map_of(address.cluster).lead(connection, to_node_of(address), timeout_s))
    return address


def to_node_of(address: Address) -> Callable[[Place, float], Wire]:
    """Return what makes connections to nodes of a cluster to ask them where its slots are."""
    return lambda place, timeout_s: Wire(address.node(place), timeout_s=timeout_s, name="jqjobs-slots")


def replicas_by_sentinels(address: Address) -> int | None:
    """Return how many replicas the sentinels know to be there; None: there are no sentinels. Raises: StoreError."""
    if address.sentinels is None:
        return None
    return switches_of(address.sentinels).replicas(_to_sentinel)


def check_still_there(address: Address, connection: Follower) -> None:
    """Raise StoreBusy when a connection was cut while it was made."""
    if connection.place is None and (address.sentinels is not None or address.cluster is not None):
        raise switched()


def _to_sentinel(place: Place, sentinels: Sentinels, timeout_s: float) -> Wire:
    host, port = place
    address = Address(
        host=host, port=port, tls=sentinels.tls, username=sentinels.username, password=sentinels.password
    )  # fmt: skip
    return Wire(address, timeout_s=timeout_s, name="jqjobs-sentinel")


def raised(reply: Any) -> Any:
    """Return a reply, or raise the error that it is."""
    if isinstance(reply, StoreError):
        raise reply
    return reply


def raise_first(replies: Sequence[Any]) -> Sequence[Any]:
    """Return replies of a pipeline, or raise the first error among them."""
    for reply in replies:
        if isinstance(reply, StoreError):
            raise reply
    return replies
