"""A sentinel that says what a test has it say: where the primary is, and that it is elsewhere now."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hiredis

SERVICE = "mymaster"


class FakeSentinel:
    """Names `primary` to who asks for `SERVICE`. ``password``: who does not say it is told nothing."""

    def __init__(self, primary: tuple[str, int] | None, password: str = "") -> None:
        self.primary = primary
        self.password = password
        self.asked = 0
        #: Flags of each, and what it says it is.
        self.replicas: list[tuple[str, str]] = []
        self.subscribers: list[socket.socket] = []
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                server.serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.place: str = "{}:{}".format(*self._server.server_address)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        reader, is_in = hiredis.Reader(), not self.password
        while data := connection.recv(65536):
            reader.feed(data)
            for command in iter(reader.gets, False):
                words: Any = [word.decode() for word in command]
                is_in = is_in or words == ["AUTH", "bob", self.password]
                connection.sendall(self._answer(words) if is_in else b"-NOAUTH Authentication required.\r\n")
                if is_in and words[0] == "SUBSCRIBE":
                    self.subscribers.append(connection)  # not before it has heard that it is one

    def _answer(self, words: list[str]) -> bytes:
        if words[0] == "SUBSCRIBE":
            return b"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n"
        if words[0] != "SENTINEL":
            return b"+OK\r\n"
        if words[1] == "REPLICAS":
            return b"*%d\r\n" % len(self.replicas) + b"".join(
                _array("flags", flags, "role-reported", role) for flags, role in self.replicas
            )
        self.asked += 1
        if self.primary is None or words[2] != SERVICE:
            return b"*-1\r\n"
        return _array(self.primary[0], str(self.primary[1]))

    def switch(self, primary: tuple[str, int], *before_it: str) -> None:
        """Tell everybody that it is there now; ``before_it``: what is said in one go with that."""
        before, self.primary = self.primary, primary
        assert before is not None
        said = (*before_it, "{} {} {} {} {}".format(SERVICE, *before, *primary))
        for subscriber in self.subscribers:
            subscriber.sendall(b"".join(_array("message", "+switch-master", words) for words in said))

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def fake_sentinel(primary: tuple[str, int] | None, password: str = "") -> Iterator[FakeSentinel]:
    """Have one answer."""
    sentinel = FakeSentinel(primary, password)
    try:
        yield sentinel
    finally:
        sentinel.end()


def _array(*words: str) -> bytes:
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)
