"""Fixtures of the contract suite: a `QueueSystem` on each server in turn, and one on the real servers only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis.exceptions import RedisError

from jqjobs.store.address import parse_url
from jqjobs.store.store import Store
from servers import Server
from store.queue_system import QueueSystem


class _SurvivingHandler(TCPFakeRequestHandler):
    """Answers an error and goes on, as a real server does; the stock one hangs up after it."""

    def setup(self) -> None:
        super().setup()
        read = self.current_client.read_response

        def read_or_error(*args: object, **options: object) -> object:
            try:
                return read(*args, **options)
            except RedisError as error:
                return error

        self.current_client.read_response = read_or_error


@contextmanager
def _system_on(server: Server) -> Iterator[QueueSystem]:
    if server._fake is not None:
        server._fake.RequestHandlerClass = _SurvivingHandler
    system = QueueSystem(server.url, server.kind)
    yield system
    system.store.close()


@pytest.fixture
def system(server: Server) -> Iterator[QueueSystem]:
    """A system on the fake server, on Valkey and on Redis."""
    with _system_on(server) as made:
        yield made


@pytest.fixture
def real_system(real_server: Server) -> Iterator[QueueSystem]:
    """A system on Valkey and on Redis."""
    with _system_on(real_server) as made:
        yield made


@pytest.fixture
def live_system(any_server: Server) -> Iterator[QueueSystem]:
    """A system on one quick real server, by that server's own clock."""
    made = QueueSystem(any_server.url)
    made.store._now_ms = None
    yield made
    made.store.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Store]]:
    """Make further stores of a URL (options as for `Store`); they are closed when the test ends."""
    made: list[Store] = []

    def one(url: str, **options: float) -> Store:
        store = Store(parse_url(url), **options)
        made.append(store)
        return store

    yield one
    for store in made:
        store.close()
