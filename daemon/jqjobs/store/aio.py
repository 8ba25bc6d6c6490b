"""The same calls from asyncio: producers and those who wait for results in async applications."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from jqjobs.errors import ScriptMissing, StoreBusy, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.async_subscriptions import AsyncSubscription, AsyncSubscriptions
from jqjobs.store.async_wire import AsyncWire
from jqjobs.store.call import Call
from jqjobs.store.patience import MAYBE_DONE, Patience, may_pass

T = TypeVar("T")

#: Of one event loop, for calls; more than that would only wait for each other in Redis.
MOST_CONNECTIONS = 32


class AsyncStore:
    """The connections of one event loop: at most `MOST_CONNECTIONS`, each for one call at a time; who finds none waits.

    Each call is made once, and has ``timeout_s`` in all, as with the ``patience_s`` of `Store`. When the loop ends in
    an orderly way, as `asyncio.run` ends it, they are closed, and ``when_closed`` is called.
    """

    def __init__(
        self, address: Address, *, timeout_s: float = 5.0, when_closed: Callable[[], object] = lambda: None
    ) -> None:  # fmt: skip
        self.address = address
        self._timeout_s = timeout_s
        self._when_closed = when_closed
        self._idle: deque[AsyncWire] = deque()
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._subscriptions = AsyncSubscriptions(address, timeout_s)
        self._life: AsyncGenerator[None, None] | None = None
        self._is_closed = False

    async def close(self) -> None:
        """Close the connections, those in use as soon as they are not."""
        self._is_closed = True
        self._when_closed()
        await self._subscriptions.close()
        while self._idle:
            await self._idle.pop().aclose()

    async def _live(self) -> AsyncGenerator[None, None]:
        """Wait for the end of the loop, which then closes the generators that have begun."""
        try:
            yield
        finally:
            await self.close()

    async def run(self, call: Call[T], until_s: float | None = None) -> T:
        """Do what `Store.run` does, from a coroutine."""
        until_s = until_s or time.monotonic() + self._timeout_s
        async with self._lent(until_s) as wire:
            return await self._run_patiently(call, wire, Patience(until_s))

    @asynccontextmanager
    async def _lent(self, until_s: float) -> AsyncIterator[AsyncWire]:
        await self._begin()
        await self._take_place(until_s)
        wire = (
            self._idle.pop() if self._idle else AsyncWire(self.address, timeout_s=self._timeout_s, name="jqjobs-async")
        )
        wire.hurry(until_s)
        try:
            yield wire
        finally:
            self._places.release()
            if self._is_closed:
                wire.close()
            else:
                self._idle.append(wire)

    async def _take_place(self, until_s: float) -> None:
        if not self._places.locked():
            await self._places.acquire()  # at once; a timeout would be a twentieth of a call
            return
        try:
            async with asyncio.timeout(max(0.0, until_s - time.monotonic())):
                await self._places.acquire()
        except TimeoutError as error:
            busy = f"none of {MOST_CONNECTIONS} connections was free in time"
            raise StoreUnavailable(f"Redis at {self.address} cannot be reached: {busy}") from error

    async def _begin(self) -> None:
        if self._life is None:
            self._life = self._live()
            await anext(self._life)

    async def _run_patiently(self, call: Call[T], wire: AsyncWire, patience: Patience) -> T:
        await wire.freshen()
        while True:
            try:
                return call.parse(await self._run_on(wire, call))
            except StoreError as error:
                if not may_pass(error, self.address):
                    raise
                wire.close()  # another server may be behind the address by now
                await asyncio.sleep(patience.pause_s(error))

    async def _run_on(self, wire: AsyncWire, call: Call[Any]) -> Any:
        was_connected = wire.connected
        try:
            return await _evaluate(wire, call)
        except StoreBusy:
            raise
        except StoreUnavailable as error:
            if not call.repeatable and error.unanswered:
                error.hint = MAYBE_DONE
            if not (call.repeatable and was_connected):
                raise
            return await _evaluate(wire, call)

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[AsyncSubscription]:
        """Listen to a channel; what is published from here on is heard. Raises: StoreError and its kinds."""
        await self._begin()
        async with self._subscriptions.listen(self.address.key(channel)) as subscription:
            yield subscription


async def _evaluate(wire: AsyncWire, call: Call[Any]) -> Any:
    command = call.command(wire.address.prefix)
    try:
        return await wire.call(*command)
    except ScriptMissing:
        return await wire.call("EVAL", call.script.source, *command[2:])
