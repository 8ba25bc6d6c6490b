"""Connections that are slow on purpose end; those of others do not."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import pytest
import uvicorn

from jqjobs.web.adapters import asgi
from jqjobs.web.connections import Connection
from jqjobs.web.http import Response, text_response

_LARGE = b"x" * 50_000_000
_REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A server that is impatient."""
    monkeypatch.setattr("jqjobs.web.connections.HEAD_S", 0.5)
    monkeypatch.setattr("jqjobs.web.connections.REQUEST_S", 1.5)
    app = asgi(lambda request: Response(200, (), _LARGE) if request.path == "/large" else text_response(200, "hello"))
    config = uvicorn.Config(app, http=Connection, log_level="critical", lifespan="off", ws="none")
    server, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()
    server.should_exit = server.force_exit = True
    thread.join(30)


@contextmanager
def connected(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=30) as found:
        yield found


def is_over(sock: socket.socket) -> bool:
    try:
        return sock.recv(65536) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "begun",
    [
        b"", b"GET", b"GET / HTTP/1.1\r\nHost: h\r\nX: ",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx",
    ],
)  # fmt: skip
def test_a_request_that_does_not_come_ends(address: Any, begun: bytes) -> None:
    with connected(address) as sock:
        sock.sendall(begun)
        assert is_over(sock)


def test_the_second_request_of_a_connection_has_as_long_as_the_first(address: Any) -> None:
    with connected(address) as sock:
        for requests in (1, 2):
            sock.sendall(_REQUEST * requests)
            answers = b""
            while answers.count(b"hello") < requests:
                answers += sock.recv(65536)
        sock.sendall(b"GET / HT")
        assert is_over(sock)


def test_an_answer_that_nobody_reads_is_given_up(address: Any) -> None:
    with connected(address) as sock:
        sock.sendall(_REQUEST.replace(b"/", b"/large", 1))
        time.sleep(2.5)  # what is slow here is the reader
        received = 0
        with suppress(ConnectionResetError):
            while part := sock.recv(1_000_000):
                received += len(part)
    assert received < len(_LARGE)
