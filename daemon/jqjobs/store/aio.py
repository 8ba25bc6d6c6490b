"""The same calls from asyncio: producers and those who wait for results in async applications."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from jqjobs.errors import NotReplicated, ScriptMissing, StoreBusy, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.async_lane import AsyncLane
from jqjobs.store.async_nodes import AsyncNodes
from jqjobs.store.async_subscriptions import AsyncSubscription, AsyncSubscriptions
from jqjobs.store.async_wire import AsyncWire
from jqjobs.store.call import Call
from jqjobs.store.patience import MAYBE_DONE, Patience, is_unsent, may_pass
from jqjobs.store.replication import INFO, Replicas, check_reached, connected_replicas
from jqjobs.store.wire import Argument, raise_first, replicas_by_sentinels

T = TypeVar("T")

AsyncConnections = AsyncWire | AsyncNodes

#: Of one event loop, for calls one at a time; more than that would only wait for each other in Redis.
MOST_CONNECTIONS = 31


class AsyncStore:
    """The connections of one event loop: at most `MOST_CONNECTIONS`, each for one call at a time; who finds none waits.
    And one for short calls of all, see `async_lane`.

    Each call is made once, and has ``timeout_s`` in all, as with the ``patience_s`` of `Store`. When the loop ends in
    an orderly way, as `asyncio.run` ends it, they are closed, and ``when_closed`` is called.
    """

    def __init__(
        self, address: Address, *, timeout_s: float = 5.0, when_closed: Callable[[], object] = lambda: None
    ) -> None:  # fmt: skip
        self.address = address
        self._timeout_s = timeout_s
        self._when_closed = when_closed
        self._idle: deque[AsyncConnections] = deque()
        self._made = 0
        #: Who waits for a connection, the first one first.
        self._line: deque[asyncio.Future[AsyncConnections]] = deque()
        self._lane = AsyncLane(address, timeout_s)
        self._subscriptions = AsyncSubscriptions(address, timeout_s)
        self._life: AsyncGenerator[None, None] | None = None
        self._is_closed = False
        self._replicas: dict[str, Replicas] = defaultdict(Replicas)

    async def close(self) -> None:
        """Close the connections, those in use as soon as they are not."""
        self._is_closed = True
        self._when_closed()
        await self._subscriptions.close()
        await self._lane.close()
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
        wire = await self._lend(until_s)
        try:
            return await self._run_patiently(call, wire)
        finally:
            self._take_back(wire)

    async def call_packed(self, packed: bytes, until_s: float) -> Any:
        """Send a short command along with those of others, and return its reply; not to a cluster. No second try:
        after an error that is not ``unanswered`` `run` may do it. Raises: StoreError and its kinds."""
        if self._life is None:
            await self._begin()
        return await self._lane.call(packed, until_s)

    async def _lend(self, until_s: float) -> AsyncConnections:
        if self._life is None:
            await self._begin()
        if self._idle:
            wire = self._idle.pop()
        elif self._made < MOST_CONNECTIONS:
            self._made += 1
            kind = AsyncNodes if self.address.cluster else AsyncWire
            wire = kind(self.address, timeout_s=self._timeout_s, name="jqjobs-async")
        else:
            wire = await self._wait_for_wire(until_s)
        wire.until_s = until_s
        return wire

    async def _wait_for_wire(self, until_s: float) -> AsyncConnections:
        """Stand in line until somebody hands on a connection. Raises: StoreUnavailable when nobody does in time."""
        turn: asyncio.Future[AsyncConnections] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(max(0.0, until_s - time.monotonic())):
                return await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._take_back(turn.result())  # it came when we had given up
            turn.cancel()
            if not isinstance(error, TimeoutError):
                raise
            busy = f"none of {MOST_CONNECTIONS} connections was free in time"
            raise StoreUnavailable(f"Redis at {self.address} cannot be reached: {busy}") from error

    def _take_back(self, wire: AsyncConnections) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(wire)
                return
        if self._is_closed:
            wire.close()
        self._idle.append(wire)

    async def _begin(self) -> None:
        if self._life is None:
            self._life = self._live()
            await anext(self._life)

    async def _run_patiently(self, call: Call[T], wire: AsyncConnections) -> T:
        patience = None
        await wire.freshen()
        while True:
            try:
                return call.parse(await self._run_on(wire, call))
            except StoreError as error:
                if not may_pass(error, self.address):
                    raise
                patience = patience or Patience(wire.until_s)
                wire.close()  # another server may be behind the address by now
                await asyncio.sleep(patience.pause_s(error))

    async def _run_on(self, wire: AsyncConnections, call: Call[Any]) -> Any:
        was_connected = wire.connected
        try:
            return await self._evaluate(wire, call)
        except StoreBusy:
            raise
        except StoreUnavailable as error:
            if not call.repeatable and error.unanswered:
                error.hint = MAYBE_DONE
            if not ((call.repeatable and was_connected) or is_unsent(error)):
                raise
            return await self._evaluate(wire, call)

    async def _evaluate(self, wire: AsyncConnections, call: Call[Any]) -> Any:
        command = call.command(wire.address.prefix)
        try:
            return await self._ask(wire, call, command)
        except ScriptMissing:
            return await self._ask(wire, call, ("EVAL", call.script.source, *command[2:]))

    async def _ask(self, wire: AsyncConnections, call: Call[Any], command: tuple[Argument, ...]) -> Any:
        if call.wait is None:
            return await wire.call(*command)
        wanted = call.wait.replicas or await self._known_replicas(wire, self._replicas[call.keys[0]], str(command[3]))
        reply, reached = raise_first(await wire.pipeline([command, ("WAIT", wanted, call.wait.ms)]))
        try:
            check_reached(reached, wanted, call.wait, call.parse(reply))
        except NotReplicated:
            self._replicas.clear()
            wire.close()  # another server may be the primary by now
            raise
        return reply

    async def _known_replicas(self, wire: AsyncConnections, replicas: Replicas, key: str) -> int:
        if known := replicas.known:
            return known
        try:
            told = await asyncio.to_thread(replicas_by_sentinels, self.address)
            if told is None:
                told = connected_replicas(raise_first(await wire.pipeline([("EXISTS", key), INFO]))[1])
            return replicas.note(told)
        except StoreError as error:
            error.unanswered = False  # nothing of the call was sent
            raise

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[AsyncSubscription]:
        """Listen to a channel; what is published from here on is heard. Raises: StoreError and its kinds."""
        await self._begin()
        async with self._subscriptions.listen(self.address.key(channel)) as subscription:
            yield subscription
