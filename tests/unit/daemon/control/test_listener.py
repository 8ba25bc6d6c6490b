"""The listener against servers that misbehave in ways no real one can be made to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.daemon.control import listener as control
from jqjobs.daemon.control.listener import ControlListener
from jqjobs.store.address import parse_url
from jqjobs.store.calls.orders import Order, Verb
from waiting import eventually


class SilentServer:
    """Answers the first command of each connection, and then nothing ever, as a half-open connection does."""

    def __init__(self, path: Path, first: bytes = b"+PONG\r\n") -> None:
        self.url = f"unix://{path}"
        self.heard: list[bytes] = []
        self._first = first
        self._connections: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(64)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        return len(self._connections)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            self.heard.append(connection.recv(65536))
            connection.sendall(self._first)

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        for one in (self._socket, *self._connections):
            one.close()


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Callable[..., SilentServer]]:
    made: list[SilentServer] = []

    def one(**options: bytes) -> SilentServer:
        made.append(SilentServer(tmp_path / "s", **options))
        return made[-1]

    yield one
    for server in made:
        server.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_BLOCK_S", 0.05)
    monkeypatch.setattr(control, "_TIMEOUT_S", 0.05)


def test_a_connection_that_went_dead_without_a_sign_is_made_anew(
    quick: None, silent: Callable[..., SilentServer]
) -> None:
    server = silent()
    listener = ControlListener("d", parse_url(server.url), lambda: None)
    listener.start()

    eventually(lambda: server.connections >= 3)
    listener.end(20)
    assert not listener.is_alive()


def test_what_is_no_redis_at_all_does_not_end_the_listener(quick: None, silent: Callable[..., SilentServer]) -> None:
    server = silent(first=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    listener = ControlListener("d", parse_url(server.url), lambda: None)
    listener.start()

    eventually(lambda: server.connections >= 3)
    listener.end(20)
    assert not listener.is_alive()


@pytest.mark.parametrize(("pause_s", "least"), [(0.01, 2), (600, 1)])
def test_a_defect_in_what_it_calls_is_logged_and_survived_and_does_not_spin(
    pause_s: float, least: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(control.log, "event", lambda name, **_: lines.append(name))
    monkeypatch.setattr(control, "_ERROR_PAUSE_S", pause_s)
    listener = ControlListener("d", parse_url(f"unix://{tmp_path}/nothing"), lambda: None)
    monkeypatch.setattr(listener, "_ask", lambda: 1 / 0)
    listener.start()

    eventually(lambda: lines.count("control.error") >= least)
    assert listener.is_alive()
    listener.end(20)
    assert not listener.is_alive()
    assert least == 2 or lines == ["control.error"]


def test_answering_waits_for_nobody_although_there_is_no_redis(tmp_path: Path) -> None:
    listener = ControlListener("d", parse_url(f"unix://{tmp_path}/nothing"), lambda: None)
    for _ in range(2000):  # more than the socket that wakes the thread takes, which has not even started
        listener.answer(Order(Verb.PING, "", "abcd2345"), True, "x")
    listener.start()
    listener.end(20)
    assert not listener.is_alive()
