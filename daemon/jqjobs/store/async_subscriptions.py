"""One connection for all coroutines of an event loop that listen to channels: hundreds may wait for jobs at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from jqjobs.errors import StoreError
from jqjobs.store.address import Address
from jqjobs.store.async_wire import AsyncWire
from jqjobs.store.reply_values import text
from jqjobs.store.sockets import unavailable


class AsyncSubscription:
    """What one coroutine hears of a channel."""

    def __init__(self, subscribe: Callable[[], Awaitable[bool]]) -> None:
        self._subscribe = subscribe
        self._heard = asyncio.Event()

    def hear(self) -> None:
        """Something was published, or may have been."""
        self._heard.set()

    async def wait(self, timeout_s: float) -> None:
        """Return when something was published, or may have been; at most ``timeout_s`` later. Raises: StoreError."""
        if await self._subscribe():
            return  # anew: what was published meanwhile was not heard
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._heard.wait()
        self._heard.clear()


class AsyncSubscriptions:
    """The subscriptions of one event loop. The connection is there as long as somebody listens."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._wire = AsyncWire(address, timeout_s=timeout_s, name="jqjobs-waiter")
        self._timeout_s = timeout_s
        self._listeners: dict[str, set[AsyncSubscription]] = {}
        #: Done once Redis has said that it subscribed us; in the order in which it was asked to.
        self._subscribed: dict[str, asyncio.Future[None]] = {}
        self._connecting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[AsyncSubscription]:
        """Listen to a channel; what is published from here on is heard. Raises: StoreError and its kinds."""
        subscription = AsyncSubscription(lambda: self._subscribe(channel))
        self._listeners.setdefault(channel, set()).add(subscription)
        try:
            await self._subscribe(channel)
            yield subscription
        finally:
            await self._leave(channel, subscription)

    async def _subscribe(self, channel: str) -> bool:
        """Have Redis tell us what is published there; return whether it did not already. Raises: StoreError."""
        subscribed = self._subscribed.get(channel)
        if subscribed is not None and subscribed.done():
            return False
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._connecting:
                    await self._connect()
                if channel not in self._subscribed:
                    self._subscribed[channel] = asyncio.get_running_loop().create_future()
                    self._wire.write("SUBSCRIBE", channel)
                await asyncio.shield(self._subscribed[channel])
        except TimeoutError as error:
            lost = unavailable(self._wire.address, error, unanswered=True)
            self._lose(lost)
            raise lost from error
        return True

    async def _connect(self) -> None:
        if not self._wire.connected:
            await self._wire.connect()
            self._reader = asyncio.create_task(self._read(), name="jqjobs-waiter")

    async def _read(self) -> None:
        try:
            while True:
                self._take(await self._wire.receive())
        except StoreError as error:
            self._lose(error)

    def _take(self, said: object) -> None:
        if isinstance(said, StoreError):
            self._refuse(said)
        elif isinstance(said, list) and said[0] == b"message":
            for subscription in self._listeners.get(text(said[1]), ()):
                subscription.hear()
        elif isinstance(said, list) and said[0] == b"subscribe":
            subscribed = self._subscribed.get(text(said[1]))
            if subscribed is not None and not subscribed.done():
                subscribed.set_result(None)

    def _refuse(self, error: StoreError) -> None:
        """An error is the answer to the oldest question."""
        for channel, subscribed in self._subscribed.items():
            if not subscribed.done():
                del self._subscribed[channel]
                _fail(subscribed, error)
                return

    def _lose(self, error: StoreError) -> None:
        """Nothing is heard any more: whoever listens has to look, and to subscribe anew."""
        self._wire.close()
        asked, self._subscribed = self._subscribed, {}
        for subscribed in asked.values():
            if not subscribed.done():
                _fail(subscribed, error)
        for listeners in self._listeners.values():
            for subscription in listeners:
                subscription.hear()

    async def _leave(self, channel: str, subscription: AsyncSubscription) -> None:
        listeners = self._listeners[channel]
        listeners.discard(subscription)
        if listeners:
            return
        del self._listeners[channel]
        if self._subscribed.pop(channel, None) is not None and self._listeners:
            self._wire.write("UNSUBSCRIBE", channel)
        if not self._listeners:
            await self.close()

    async def close(self) -> None:
        """Close the connection; whoever listens still subscribes anew."""
        if self._reader is not None:
            self._reader.cancel()
        self._subscribed.clear()
        await self._wire.aclose()


def _fail(subscribed: asyncio.Future[None], error: StoreError) -> None:
    subscribed.set_exception(error)
    subscribed.exception()  # whoever asked may be gone
