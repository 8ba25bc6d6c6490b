"""The same calls from asyncio, over redis-py: producers and those who wait for results in async applications."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import redis.asyncio as aioredis
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from jqjobs.errors import ScriptMissing, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.call import Call
from jqjobs.store.error_replies import error_of
from jqjobs.store.wire import Argument

T = TypeVar("T")


class AsyncStore:
    """A pool of connections of one event loop."""

    def __init__(self, address: Address, *, timeout_s: float = 5.0) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._client = _client_of(address, timeout_s)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def run(self, call: Call[T]) -> T:
        """Run a script call; like `Store.run`, repeated once after a broken connection where that is safe."""
        try:
            return call.parse(await self._evaluate(call))
        except StoreUnavailable:
            if not call.repeatable:
                raise
            return call.parse(await self._evaluate(call))

    async def _evaluate(self, call: Call[Any]) -> Any:
        rest = (len(call.keys), *call.keys, *call.args)
        try:
            return await self._command("EVALSHA", call.script.sha, *rest)
        except ScriptMissing:
            return await self._command("EVAL", call.script.source, *rest)

    async def _command(self, *command: Argument) -> Any:
        try:
            return await self._client.execute_command(*command)
        except exceptions.RedisError as error:
            raise _typed(error, self.address) from error

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[AsyncSubscription]:
        """Listen to a channel; what is published from here on is heard. Raises: StoreError and its kinds."""
        pubsub = self._client.pubsub()
        subscription = AsyncSubscription(pubsub, self.address)
        try:
            with _typed_errors(self.address):
                await pubsub.subscribe(channel)
            await subscription.wait(self._timeout_s)  # for the server to confirm it
            yield subscription
        finally:
            await pubsub.aclose()


class AsyncSubscription:
    """A connection that listens to one channel, for a coroutine."""

    def __init__(self, pubsub: Any, address: Address) -> None:
        self._pubsub = pubsub
        self._address = address

    async def wait(self, timeout_s: float) -> None:
        """Return when something was published, at the latest after ``timeout_s``. Raises: StoreUnavailable."""
        with _typed_errors(self._address):
            await self._pubsub.get_message(timeout=timeout_s)


@contextmanager
def _typed_errors(address: Address) -> Iterator[None]:
    try:
        yield
    except exceptions.RedisError as error:
        raise _typed(error, address) from error


def _typed(error: exceptions.RedisError, address: Address) -> StoreError | Exception:
    if isinstance(error, exceptions.NoScriptError):
        return ScriptMissing(str(error))
    if isinstance(error, exceptions.OutOfMemoryError):
        return error_of(Exception(f"OOM {error}"))
    # While it connects, redis-py wraps what the server said into a ConnectionError.
    if isinstance(error, exceptions.AuthenticationError) or isinstance(
        error.__cause__ or error.__context__, exceptions.AuthenticationError
    ):
        return error_of(Exception(f"NOAUTH {error}"))
    if isinstance(error, (exceptions.ConnectionError, exceptions.TimeoutError)):
        return StoreUnavailable(f"Redis at {address} cannot be reached: {error}")
    return error_of(error)


def _client_of(address: Address, timeout_s: float) -> Any:
    common: dict[str, Any] = {
        "db": address.db, "username": address.username or None, "password": address.password or None,
        "protocol": 2, "retry": Retry(NoBackoff(), 0), "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s, "socket_keepalive": True, "health_check_interval": 0,
    }  # fmt: skip
    if address.path:
        common.pop("socket_keepalive")
        return aioredis.Redis(unix_socket_path=address.path, **common)
    if address.tls:
        common |= {"ssl": True, "ssl_ca_certs": address.ca_file or None}
    return aioredis.Redis(host=address.host, port=address.port, **common)
