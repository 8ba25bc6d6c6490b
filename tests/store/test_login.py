"""A password that changes while producers, threads and coroutines alike, are connected."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs import App
from jqjobs.api import client
from jqjobs.errors import StoreRefused
from jqjobs.store import async_pipe
from jqjobs.store.address import parse_url
from jqjobs.store.async_wire import AsyncWire
from jqjobs.store.wire import Wire
from servers import Server

USER = ("ACL", "SETUSER", "ann", "~*", "&*", "+@all", "on")


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server("valkey", tcp=True)


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the password."""
    file = tmp_path / "secret"
    monkeypatch.setenv("JQ_REDIS_USERNAME", "ann")
    monkeypatch.setenv("JQ_REDIS_PASSWORD_FILE", str(file))
    return file


@pytest.fixture(params=["file", "app"])
def app(request: pytest.FixtureRequest, server: Server, secret: Path) -> Iterator[App]:
    """Told by the settings, or by a function of its own."""
    own = request.param == "app"
    made = App(redis_url=server.url, credentials=(lambda: ("ann", secret.read_text())) if own else None)
    made.job(name="send")(lambda: None)
    yield made
    made.client.close()


def change(server: Server, password: str) -> None:
    """Let in nobody with the password before, and nobody who is in."""
    server.pipeline([(*USER, "resetpass", f">{password}"), ("CLIENT", "KILL", "USER", "ann")])


def replace(secret: Path, password: str) -> None:
    """Write it anew, in one: who reads it meanwhile finds no empty file."""
    new = secret.with_suffix(".new")
    new.write_text(password)
    new.replace(secret)


def enqueue(app: App) -> Any:
    return app.registry.find("send").enqueue()


def enqueue_many(app: App) -> Any:
    return app.registry.find("send").enqueue_many([()] * 500)


def enqueue_async(app: App) -> Any:
    async def produce() -> Any:
        try:
            return await app.registry.find("send").enqueue_async()
        finally:
            await app.client.close_async()

    return asyncio.run(produce())


@pytest.mark.parametrize("send", [enqueue, enqueue_many, enqueue_async])
def test_whoever_connects_while_a_password_is_being_changed_waits_for_the_new_one(
    app: App, server: Server, secret: Path, send: Callable[[App], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for lane in (client, async_pipe):
        monkeypatch.setattr(lane, "_IN_USE_S", 0.0)  # a connection is looked at however lately it was used
    secret.write_text("one")
    change(server, "one")
    send(app)
    for password in ("two", "three"):
        change(server, password)
        written = threading.Timer(0.2, replace, [secret, password])
        written.start()
        assert send(app), "Redis knows it before we do"
        written.join()


@pytest.mark.parametrize("send", [enqueue, enqueue_many, enqueue_async])
def test_a_password_that_stays_wrong_is_refused(
    app: App, server: Server, secret: Path, monkeypatch: pytest.MonkeyPatch, send: Callable[[App], Any]
) -> None:
    monkeypatch.setenv("JQ_TIMEOUT", "2s")
    secret.write_text("hunter2")
    change(server, "one")
    with pytest.raises(StoreRefused, match="stored") as raised:
        send(app)
    assert raised.value.reason == "WRONGPASS"
    assert "hunter2" not in raised.value.in_one_line()


IDLE = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", 0x10)


def test_the_kernel_looks_after_a_connection_that_is_idle_for_a_minute(server: Server) -> None:
    async def connect() -> tuple[int, int]:
        wire = AsyncWire(parse_url(server.url))
        await wire.call("PING")
        assert wire._stream is not None
        try:
            return options(wire._stream[1].get_extra_info("socket"))
        finally:
            await wire.aclose()

    def options(sock: Any) -> tuple[int, int]:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), sock.getsockopt(socket.IPPROTO_TCP, IDLE)

    wire = Wire(parse_url(server.url))
    wire.connect()
    assert options(wire._sock) == asyncio.run(connect()) == (1, 60)
    wire.close()
