"""The same calls from asyncio: producers and those who wait for results in async applications."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from jqjobs.errors import ScriptMissing, StoreBusy, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.async_wire import AsyncWire
from jqjobs.store.call import Call
from jqjobs.store.patience import MAYBE_DONE, Patience, may_pass

T = TypeVar("T")


class AsyncStore:
    """The connections of one event loop. Each call is made once, as with the ``patience_s`` of `Store`."""

    def __init__(self, address: Address, *, timeout_s: float = 5.0, patience_s: float = 5.0) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._idle: deque[AsyncWire] = deque()

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            await self._idle.pop().aclose()

    async def run(self, call: Call[T]) -> T:
        """Do what `Store.run` does, from a coroutine."""
        wire = (
            self._idle.pop() if self._idle else AsyncWire(self.address, timeout_s=self._timeout_s, name="jqjobs-async")
        )
        try:
            return await self._run_patiently(call, wire)
        finally:
            self._idle.append(wire)

    async def _run_patiently(self, call: Call[T], wire: AsyncWire) -> T:
        patience = None
        await wire.freshen()
        while True:
            try:
                return call.parse(await self._run_on(wire, call))
            except StoreError as error:
                if not may_pass(error, self.address):
                    raise
                patience = patience or Patience(self._patience_s)
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
        wire = AsyncWire(self.address, timeout_s=self._timeout_s, name="jqjobs-waiter")
        try:
            await wire.call("SUBSCRIBE", self.address.key(channel))
            yield AsyncSubscription(wire)
        finally:
            await wire.aclose()


class AsyncSubscription:
    """A connection that listens to one channel, for a coroutine."""

    def __init__(self, wire: AsyncWire) -> None:
        self._wire = wire

    async def wait(self, timeout_s: float) -> None:
        """Return when something was published, at the latest after ``timeout_s``. Raises: StoreUnavailable."""
        await self._wire.hear(timeout_s)


async def _evaluate(wire: AsyncWire, call: Call[Any]) -> Any:
    command = call.command(wire.address.prefix)
    try:
        return await wire.call(*command)
    except ScriptMissing:
        return await wire.call("EVAL", call.script.source, *command[2:])
