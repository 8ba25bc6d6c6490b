"""One connection to Redis for coroutines of one event loop: what `wire` is to a thread. No hidden retry.

Not redis-py: its connections do not tell a command that was never sent from one whose reply was lost.
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import hiredis

from jqjobs.errors import StoreError
from jqjobs.store.address import Address
from jqjobs.store.error_replies import error_of
from jqjobs.store.freshness import PING, PING_AFTER_S, PING_PATIENCE_S
from jqjobs.store.greetings import ask_login, check_greeted, check_named, client_name, greetings_of
from jqjobs.store.look_ups import look_up
from jqjobs.store.sentinels import Place
from jqjobs.store.slot_map import was_unreached
from jqjobs.store.sockets import keep_alive, no_redis, poll_of, unavailable, unusable
from jqjobs.store.wire import Argument, check_still_there, located, pack


class AsyncWire:
    """A connection that is made on first use and again after an error. One command at a time."""

    def __init__(self, address: Address, *, timeout_s: float = 5.0, name: str = "jqjobs") -> None:
        self.address = address
        self.timeout_s = timeout_s
        self.name = client_name(name)
        #: These two as of `Wire`.
        self.tag = address.tag
        self.place: Place | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._parser = hiredis.Reader()
        self._looked_s = 0.0
        #: When what comes next must have ended, seconds of the monotonic clock.
        self.until_s = math.inf

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._stream is not None

    def _step_s(self) -> float:
        return max(0.0, min(self.timeout_s, self.until_s - time.monotonic()))

    async def call(self, *command: Argument) -> Any:
        """Send one command and return its reply. Raises: StoreError and its kinds; error replies are raised."""
        if self._stream is None:
            await self.connect()
        reply = await self._ask(pack(command))
        if isinstance(reply, StoreError):
            raise reply
        return reply

    async def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send commands together and return their replies; an error reply is an item, not raised."""
        if self._stream is None:
            await self.connect()
        packed = [b"".join(map(pack, commands)), *[b""] * (len(commands) - 1)]
        return [await self._ask(sent) for sent in packed]

    async def connect(self) -> None:
        """Connect, authenticate, select the database, say our name. Raises: StoreError and its kinds, ConfigError."""
        self._loop = asyncio.get_running_loop()
        server = self.address
        try:
            async with asyncio.timeout(self._step_s()):
                # On a thread: a file, an app's function, or sentinels may take their time.
                username, password = await asyncio.to_thread(ask_login, self.address)
                if server.sentinels is not None or server.cluster is not None:
                    server = await asyncio.to_thread(located, server, self, self._step_s())
                self._stream = await _open(server, time.monotonic() + self._step_s())
        except OSError as error:
            was_unreached(self.address, self.place)
            self.place = None
            raise unavailable(server, error) from error
        except ValueError as error:
            raise unusable(error) from None
        self._parser, self._looked_s = hiredis.Reader(), time.monotonic()
        try:
            for greeting in greetings_of(self.address, username, password):
                check_greeted(greeting, await self._ask(pack(greeting)), username, password)
            check_named(await self._ask(pack(("CLIENT", "SETNAME", self.name))))
            check_still_there(self.address, self)
        except StoreError as error:
            was_unreached(self.address, self.place)
            self.close()
            error.unanswered = False  # nothing of the caller's was sent
            raise

    async def freshen(self) -> None:
        """Drop a connection that is of no use any more, before something goes over it that must not be sent twice."""
        if self._stream is None:
            return
        now_s = time.monotonic()
        idle_s, self._looked_s = now_s - self._looked_s, now_s
        if has_ended(self._stream[1].transport):
            self.close()
        elif idle_s > PING_AFTER_S:
            with suppress(StoreError):  # who gets no answer closes it
                await self._ask(PING, PING_PATIENCE_S)

    async def _ask(self, packed: bytes, timeout_s: float = math.inf) -> Any:
        """Send a command and return its reply, also when it is an error. Raises: StoreUnavailable."""
        assert self._stream is not None
        try:
            async with asyncio.timeout(min(timeout_s, self._step_s())):
                self._stream[1].write(packed)
                await self._stream[1].drain()
                return await self._reply(self._stream[0])
        except (OSError, hiredis.ProtocolError) as error:  # TimeoutError is an OSError
            self.close()
            raise broken(self.address, error) from error
        except BaseException:  # cancelled: the reply is still to come, and is nobody else's
            self.close()
            raise

    def write(self, *command: Argument) -> None:
        """Send a command, the answer to which `receive` returns one day. There must be a connection."""
        assert self._stream is not None
        self._stream[1].write(pack(command))

    async def receive(self) -> Any:
        """Wait for what comes next, as long as that takes; an error is returned. Raises: StoreError when none comes."""
        assert self._stream is not None
        try:
            return await self._reply(self._stream[0])
        except (OSError, hiredis.ProtocolError) as error:
            raise broken(self.address, error) from error

    async def _reply(self, reader: asyncio.StreamReader) -> Any:
        reply = self._parser.gets()
        while reply is False:
            data = await reader.read(65536)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            self._parser.feed(data)
            reply = self._parser.gets()
        return error_of(reply) if isinstance(reply, hiredis.ReplyError) else reply

    def close(self) -> None:
        """Drop the connection, if there is one."""
        self.place = None
        if self._stream is not None:
            self._stream[1].close()
            self._stream = None

    def cut(self) -> None:
        """Do what `Wire.cut` does."""
        self.place = None
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        if self.place is None and self._stream is not None:  # else it is another one by now
            self._stream[1].transport.abort()

    async def aclose(self) -> None:
        """Drop the connection, and wait until it is gone."""
        if self._stream is not None:
            _, writer = self._stream
            self.close()
            with suppress(OSError):
                await writer.wait_closed()


def hand_over(wire: AsyncWire, to: asyncio.Protocol) -> tuple[asyncio.WriteTransport, asyncio.BaseProtocol]:
    """Give all that comes over a connection from now on to another protocol; return the connection's transport, and its
    protocol so far, which must hear of the end. It is still closed, and cut, by the wire."""
    assert wire._stream is not None
    transport = wire._stream[1].transport
    before = transport.get_protocol()
    transport.set_protocol(to)
    return transport, before


async def _open(address: Address, until_s: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.path:
        return await asyncio.open_unix_connection(address.path)
    tls = address.tls.context() if address.tls else None
    sock = await _open_tcp(address, until_s)
    return await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=address.host if tls else None)


async def _open_tcp(address: Address, until_s: float) -> socket.socket:
    """Do what `open_socket` does, before TLS: asyncio has one time for all places, which the first may use up."""
    loop, places = asyncio.get_running_loop(), await asyncio.to_thread(look_up, address.host, address.port, until_s)
    for tried, (family, kind, protocol, _, place) in enumerate(places):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            async with asyncio.timeout((until_s - time.monotonic()) / (len(places) - tried)):
                await loop.sock_connect(sock, place)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError) or tried == len(places) - 1:
                raise
            continue
        keep_alive(sock)
        return sock
    raise OSError(0, f"{address.host} has no address")


def has_ended(transport: asyncio.BaseTransport) -> bool:
    """Return whether nothing more can be sent, where no reply is due; looks at the socket too: the event loop may have
    had no time yet to see its end."""
    return transport.is_closing() or bool(poll_of(transport.get_extra_info("socket")).poll(0))


def broken(address: Address, error: Exception) -> StoreError:
    """Return the error of a connection that ended before a reply was there."""
    if isinstance(error, OSError):
        return unavailable(address, error, unanswered=True)
    return no_redis(address, error, unanswered=True)
