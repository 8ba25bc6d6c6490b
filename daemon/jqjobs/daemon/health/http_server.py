"""A small HTTP server for probes: one thread that answers GET and HEAD, and that no client can hold up.

Owns listening, reading the head of a request, and time-outs. Knows nothing of health; `daemon.health` tells it
what to answer. Not `http.server`, which takes 3 MB of memory and waits for slow clients.

    accept ─▶ head ─▶ answer ─▶ wait for the client to close
    all of it within 2 s; one connection too many closes the oldest
"""

from __future__ import annotations

import re
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from jqjobs.base import log
from jqjobs.base.wakeup import Wakeup

#: From accepting a connection to closing it, whatever its client does.
PATIENCE_S = 2.0
#: More connections than any set of probes has open at once.
MAX_CONNECTIONS = 32
_HEAD_BYTES = 8192
#: What a client sends beyond its request is read, else the kernel would reset the connection over our answer.
_LEFTOVER_BYTES = 65536
_REQUEST_LINE = re.compile(rb"([A-Z]+) (?:https?://[^/? ]*)?(/[^?# ]*)(?:[?#][^ ]*)? HTTP/1\.[01]\r?")
_HEADERS = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*\r?\n)*\r?\n")
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable",
}  # fmt: skip


class Answer(NamedTuple):
    """What is said to a request."""

    status: int
    body: str
    media_type: str = "application/json"


#: A path, such as ``/livez`` → what is said of it; None: there is nothing.
Responder = Callable[[str], Answer | None]


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    deadline_s: float
    received: bytes = b""
    leftover_bytes: int = 0
    is_answered: bool = False


class Endpoint(threading.Thread):
    """Serves one listening socket from `start` to `close`; nothing else touches its sockets meanwhile."""

    def __init__(self, listener: socket.socket, answer: Responder) -> None:
        super().__init__(name="jqjobs-health", daemon=True)
        self._listener = listener
        self._answer = answer
        self._ending = threading.Event()
        self._wakeup = Wakeup()
        self._open: dict[socket.socket, _Connection] = {}  # the oldest first, so by deadline
        self._selector = selectors.DefaultSelector()
        listener.setblocking(False)
        for watched in (listener, self._wakeup):
            self._selector.register(watched, selectors.EVENT_READ)

    def run(self) -> None:
        """Answer until `close`; a defect of ours costs one log line, not the endpoint."""
        while not self._ending.is_set():
            try:
                self._turn()
            except Exception:
                log.event("health.error", level=log.CRITICAL, exc_info=True)
                self._ending.wait(1.0)

    def close(self) -> None:
        """End the thread, if it was started, and close all sockets."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._wakeup.ring()
        if self.is_alive():
            self.join(PATIENCE_S)
        for left in (*self._open, self._listener):
            left.close()
        self._wakeup.close()
        self._selector.close()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._until_next_s()):
            if key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.data, _Connection) and key.data.socket in self._open:  # else: closed this turn
                self._serve(key.data)
        now_s = time.monotonic()
        for connection in [one for one in self._open.values() if one.deadline_s <= now_s]:
            self._drop(connection)

    def _until_next_s(self) -> float | None:
        oldest = next(iter(self._open.values()), None)
        return None if oldest is None else max(0.0, oldest.deadline_s - time.monotonic())

    def _accept(self) -> None:
        # Many at a time, since the kernel makes who is beyond its backlog wait a second; but not so many that
        # one that has just been accepted would be closed again before it was heard.
        for _ in range(MAX_CONNECTIONS // 2):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return  # that was all, or a client has thought better of it
            except OSError:  # out of descriptors: the client waits, and this thread must not spin
                self._ending.wait(0.1)
                return
            self._welcome(accepted)

    def _welcome(self, accepted: socket.socket) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._open.values())))
        accepted.setblocking(False)
        connection = _Connection(accepted, time.monotonic() + PATIENCE_S)
        self._open[accepted] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _serve(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(4096)
            if data and not connection.is_answered:
                self._read_on(connection, data)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        connection.leftover_bytes += len(data) if connection.is_answered else 0
        if not data or connection.leftover_bytes > _LEFTOVER_BYTES:
            self._drop(connection)

    def _read_on(self, connection: _Connection, data: bytes) -> None:
        connection.received += data
        response = respond(connection.received, self._answer)
        if response is not None:
            connection.is_answered = True
            connection.socket.send(response)  # one packet: the buffer of a new connection has room for it
            connection.socket.shutdown(socket.SHUT_WR)

    def _drop(self, connection: _Connection) -> None:
        del self._open[connection.socket]
        self._selector.unregister(connection.socket)
        connection.socket.close()


def respond(received: bytes, answer: Responder) -> bytes | None:
    """Return the whole response to what was received so far; None: its head is not complete yet."""
    received = received.lstrip(b"\r\n")  # RFC 9112, 2.2: empty lines before a request are nothing
    line, newline, rest = received.partition(b"\n")
    request = _REQUEST_LINE.fullmatch(line) if newline else None
    if newline and request is None:
        return _refusal(400, "this is no HTTP/1 request")
    if not _END_OF_HEAD.search(received):
        return _refusal(400, "the request is too long") if len(received) > _HEAD_BYTES else None
    if request is None or not _HEADERS.match(rest):
        return _refusal(400, "a header is malformed")
    method, path = request[1], request[2].decode("latin-1")
    if method not in (b"GET", b"HEAD"):
        return _refusal(405, "there is only GET and HEAD", "Allow: GET, HEAD\r\n")
    return _response(answer(path) or Answer(404, _error("there is nothing here")), with_body=method == b"GET")


def _refusal(status: int, message: str, more_headers: str = "") -> bytes:
    return _response(Answer(status, _error(message)), more_headers)


def _error(message: str) -> str:
    return f'{{"v": 1, "ok": false, "error": "{message}"}}'


def _response(answer: Answer, more_headers: str = "", *, with_body: bool = True) -> bytes:
    content = answer.body.encode() + b"\n"
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\n"
        f"Content-Type: {answer.media_type}\r\n"
        f"Content-Length: {len(content)}\r\n"
        "Cache-Control: no-store\r\n"
        f"{more_headers}"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + (content if with_body else b"")
