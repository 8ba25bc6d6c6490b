"""A proxy with weather, before a server that answers each line with itself."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from jqjobs.store.address import Address
from proxy import Proxy


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    heard = 0


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Server(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        proxy = Proxy(Address("127.0.0.1", server.server_address[1])).start()
        yield proxy
        proxy.close()
        server.shutdown()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        assert ask(client, b"hello\n") == b"hello\n"
        yield client


def ask(client: socket.socket, line: bytes) -> bytes:
    try:
        client.sendall(line)
        return client.recv(100)
    except ConnectionError:
        return b""


def test_a_delay_counts_in_each_direction(proxy: Proxy, client: socket.socket) -> None:
    proxy.weather.delay_s = 0.1
    started = time.monotonic()
    assert ask(client, b"late\n") == b"late\n"
    assert time.monotonic() - started >= 0.2


def test_a_lost_reply_ends_the_connection_and_is_counted(proxy: Proxy, client: socket.socket) -> None:
    proxy.weather.loss = 1.0
    assert ask(client, b"lost\n") == b""
    assert proxy.lost == 1


def test_in_silence_nothing_passes_and_nothing_ends(proxy: Proxy, client: socket.socket) -> None:
    proxy.weather.silent = True
    time.sleep(0.15)
    client.settimeout(0.3)
    client.sendall(b"silent\n")
    with pytest.raises(TimeoutError):
        client.recv(100)
    client.settimeout(10)
    proxy.weather.silent = False
    assert client.recv(100) == b"silent\n", "it arrives late"


def test_a_connection_that_is_forgotten_stands_and_passes_nothing(proxy: Proxy, client: socket.socket) -> None:
    proxy.forget()
    time.sleep(0.15)
    client.settimeout(0.3)
    client.sendall(b"lost\n")
    with pytest.raises(TimeoutError):
        client.recv(100)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as second:
        assert ask(second, b"hello\n") == b"hello\n"


def test_who_comes_while_it_refuses_is_sent_away_and_later_let_in(proxy: Proxy) -> None:
    proxy.weather.refuses = True
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        assert ask(client, b"hello\n") == b""
    proxy.weather.refuses = False
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        assert ask(client, b"hello\n") == b"hello\n"


def test_a_cut_ends_the_connections_there_are_and_lets_new_ones_in(proxy: Proxy, client: socket.socket) -> None:
    proxy.cut()
    assert client.recv(100) == b""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as second:
        assert ask(second, b"again\n") == b"again\n"


def test_the_end_of_one_side_is_the_end_of_the_other(proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        assert ask(client, b"hello\n") == b"hello\n"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
