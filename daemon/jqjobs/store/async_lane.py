"""The way for short calls of all coroutines of an event loop: a pipe, made when there is none of use."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from jqjobs.errors import StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.async_pipe import AsyncPipe
from jqjobs.store.async_wire import AsyncWire
from jqjobs.store.wire import raised

#: So many may wait for their replies; who comes then waits for room.
MOST_ASKED = 128


class AsyncLane:
    """One connection, anew after an error. Who finds it full stands in line, and is no worse off than who sends."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._most = MOST_ASKED
        self._room = asyncio.Semaphore(self._most)
        self._connecting = asyncio.Lock()
        self._pipe: AsyncPipe | None = None
        self._is_closed = False

    async def call(self, packed: bytes, until_s: float) -> Any:
        """Send a command that is packed already and return its reply. Raises: StoreError and its kinds, ConfigError.

        An error that is not ``unanswered`` is Redis's, or nothing was sent.
        """
        if self._room.locked():
            await self._wait(self._room, until_s, f"none of {self._most} calls was answered in time")
        else:
            await self._room.acquire()
        try:
            pipe = self._pipe
            if pipe is None or not pipe.is_of_use():
                pipe = await self._pipe_of_use(until_s)
            return raised(await pipe.ask(packed, until_s))
        finally:
            self._room.release()
            if self._is_closed:
                await self.close()

    async def _pipe_of_use(self, until_s: float) -> AsyncPipe:
        await self._wait(self._connecting, until_s, "no connection was made in time")
        try:
            if self._pipe is None or not await self._pipe.answers():
                wire = AsyncWire(self._address, timeout_s=self._timeout_s, name="jqjobs-async")
                wire.until_s = until_s
                await wire.connect()
                self._pipe = AsyncPipe(wire)
            return self._pipe
        finally:
            self._connecting.release()

    async def _wait(self, turn: asyncio.Semaphore | asyncio.Lock, until_s: float, why: str) -> None:
        try:
            async with asyncio.timeout(max(0.0, until_s - time.monotonic())):
                await turn.acquire()
        except TimeoutError as error:
            raise StoreUnavailable(f"Redis at {self._address} cannot be reached: {why}") from error

    async def close(self) -> None:
        """Close the connection, as soon as nobody waits for a reply."""
        self._is_closed = True
        if self._pipe is not None:
            await self._pipe.aclose()
