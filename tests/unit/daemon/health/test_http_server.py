"""The small HTTP server of --health: what it understands, and that no client can hold it up."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus

import pytest

from jqjobs.base.listening import listen
from jqjobs.daemon.health import http_server
from jqjobs.daemon.health.http_server import MAX_CONNECTIONS, PATIENCE_S, Answer, Endpoint, respond
from waiting import eventually

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answer(path: str) -> Answer | None:
    return Answer(200, '{"fine": true}') if path == "/livez" else None


def status(received: bytes) -> int | None:
    """The status with which a request is answered; None: more is awaited."""
    response = respond(received, answer)
    return None if response is None else int(response.split()[1])


def test_a_response_is_complete() -> None:
    assert respond(GET, answer) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\nCache-Control: no-store\r\n"
        b'Connection: close\r\n\r\n{"fine": true}\n'
    )


@pytest.mark.parametrize("status", [200, 400, 404, 405, 503])
def test_a_status_is_said_in_the_words_of_http(status: int) -> None:
    request = {400: b"nonsense\r\n\r\n", 405: b"POST / HTTP/1.1\r\n\r\n"}.get(status, GET)
    response = respond(request, lambda path: None if status == 404 else Answer(status, "{}"))
    assert response is not None
    assert response.splitlines()[0].decode() == f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /livez HTTP/1.0",
        "GET /livez?verbose=1 HTTP/1.1",
        "GET http://pod:8811/livez HTTP/1.1",
        "HEAD /livez HTTP/1.1",
    ],
)
@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_every_way_to_ask_is_understood(request_line: str, newline: str) -> None:
    assert status((request_line + newline * 2).encode()) == 200
    assert status((newline + request_line + newline + "Accept: */*" + newline * 2).encode()) == 200


def test_head_has_the_headers_of_get_and_no_body() -> None:
    get, head = respond(GET, answer), respond(GET.replace(b"GET", b"HEAD"), answer)
    assert get is not None
    assert head == get[: get.index(b"\r\n\r\n") + 4]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused_and_told_which_are_not(method: str) -> None:
    response = respond(f"{method} /livez HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}".encode(), answer)
    assert response is not None
    assert response.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert b"\r\nAllow: GET, HEAD\r\n" in response


def test_another_path_is_not_found() -> None:
    assert status(GET.replace(b"livez", b"metrics")) == 404


@pytest.mark.parametrize(
    "received",
    [
        b"hello\r\n", b"GET /livez\r\n", b"GET  /livez HTTP/1.1\r\n", b"get /livez HTTP/1.1\r\n",
        b"GET livez HTTP/1.1\r\n", b"GET /livez HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01\x02\x00\n",
        b"GET /\x00 HTTP/1.1\x00\r\n", b"GET /livez HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", b"GET /livez HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nA: b\rC: d\r\n\r\n", b"x" * 9000, b"GET /livez HTTP/1.1\r\nA: " + b"x" * 9000,
    ],
)  # fmt: skip
def test_what_is_no_request_is_told_so_at_once(received: bytes) -> None:
    assert status(received) == 400


@pytest.mark.parametrize("end", range(len(GET)))
def test_an_unfinished_request_is_awaited(end: int) -> None:
    assert status(GET[:end]) is None


Connect = Callable[[], socket.socket]


@pytest.fixture
def server() -> Iterator[Endpoint]:
    made = Endpoint(listen("127.0.0.1:0"), answer)
    made.start()
    yield made
    made.close()


@pytest.fixture
def connect(server: Endpoint) -> Iterator[Connect]:
    """Make a connection to the server, with a time-out beyond all of its own."""
    with ExitStack() as stack:
        place = server._listener.getsockname()
        yield lambda: stack.enter_context(socket.create_connection(place, timeout=20))


def read_all(sock: socket.socket) -> bytes:
    """Read until the server has closed."""
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
    except ConnectionResetError:
        return data
    return data


def ask(connect: Connect) -> bytes:
    sock = connect()
    sock.sendall(GET)
    return read_all(sock)[:15]


def test_a_request_in_pieces_is_answered_once_it_is_whole(connect: Connect) -> None:
    sock = connect()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(GET)):
        sock.sendall(GET[at : at + 1])
    assert read_all(sock).startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_says_nothing_is_hung_up_on_after_two_seconds(connect: Connect) -> None:
    began_s = time.monotonic()
    assert read_all(connect()) == b""
    assert time.monotonic() - began_s > PATIENCE_S / 2


def test_a_client_that_trickles_gets_no_more_time(connect: Connect) -> None:
    sock = connect()
    began_s = time.monotonic()

    def hung_up() -> bool:
        try:
            sock.sendall(b"X")
        except OSError:
            return True
        return False

    eventually(hung_up, 20)
    assert time.monotonic() - began_s > PATIENCE_S / 2


def test_a_client_that_never_closes_is_hung_up_on(server: Endpoint, connect: Connect) -> None:
    sock = connect()
    sock.sendall(GET)
    assert read_all(sock).startswith(b"HTTP/1.1 200")
    assert len(server._open) == 1, "its end is still open"
    eventually(lambda: not server._open, 20, "the server has closed it")


def test_slow_clients_do_not_keep_others_from_being_answered(server: Endpoint, connect: Connect) -> None:
    slow = [connect() for _ in range(5 * MAX_CONNECTIONS)]
    assert ask(connect) == b"HTTP/1.1 200 OK"
    assert len(server._open) <= MAX_CONNECTIONS
    assert read_all(slow[0]) == b"", "the oldest made room"


def test_a_body_that_nobody_asked_for_does_not_cost_the_answer(connect: Connect) -> None:
    sock = connect()
    sock.sendall(b"POST /livez HTTP/1.1\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50_000)
    assert read_all(sock).startswith(b"HTTP/1.1 405")


def test_a_client_that_sends_without_end_is_hung_up_on_at_once(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "PATIENCE_S", 3600.0)
    sock = connect()
    with pytest.raises((ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        sock.sendall(bytes(50_000_000))


def test_a_client_that_is_gone_before_the_answer_does_no_harm(connect: Connect) -> None:
    for _ in range(20):
        sock = connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing resets the connection
        sock.sendall(GET)
        sock.close()
    assert ask(connect) == b"HTTP/1.1 200 OK"


def test_many_ask_at_once(connect: Connect) -> None:
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(connect))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"HTTP/1.1 200 OK"] * 20


def test_without_descriptors_it_waits_instead_of_spinning(server: Endpoint, connect: Connect) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = connect()
    eventually(lambda: server._open, what="it was accepted")
    late = socket.socket()
    late.settimeout(20)
    lowest_free = os.dup(late.fileno())
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        late.connect(server._listener.getsockname())
        late.sendall(GET)
        before_s = time.process_time()
        assert read_all(waiting) == b"", "it goes on serving the others"
        assert time.process_time() - before_s < PATIENCE_S / 4
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert read_all(late).startswith(b"HTTP/1.1 200")
    late.close()


def test_a_defect_costs_a_log_line_and_not_the_endpoint(
    server: Endpoint, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(http_server, "respond", broken)
        connect().sendall(GET)
        eventually(lambda: [record.message for record in caplog.records] == ["health.error"])
    assert ask(connect) == b"HTTP/1.1 200 OK"


def test_closing_ends_the_thread_and_hangs_up(server: Endpoint, connect: Connect) -> None:
    sock = connect()
    eventually(lambda: server._open)
    server.close()
    assert not server.is_alive()
    assert read_all(sock) == b""
    with pytest.raises(ConnectionRefusedError):
        connect()


def test_what_was_never_started_can_be_closed() -> None:
    Endpoint(listen("127.0.0.1:0"), answer).close()
