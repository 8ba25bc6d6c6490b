"""What is said of a supervisord that will not wait for a drain. e2e/test_supervisord_stopwait.py asks a real one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.daemon.host_check import stop_wait_complaint

#: What supervisord 4 answers, shortened.
_PROGRAM = """\
<value><struct>
<member><name>group</name><value><string>{group}</string></value></member>
<member><name>name</name><value><string>{name}</string></value></member>
<member><name>stopwaitsecs</name><value><int>{stop_wait_s}</int></value></member>
</struct></value>"""


def answer(*programs: tuple[str, str, int]) -> bytes:
    """Return supervisord's answer about programs of group, name and stopwaitsecs."""
    values = "".join(_PROGRAM.format(group=group, name=name, stop_wait_s=wait_s) for group, name, wait_s in programs)
    body = f"<?xml version='1.0'?><methodResponse><params><param><value><array><data>{values}</data></array></value>"
    return f"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n{body}</param></params></methodResponse>".encode()


class Impostor:
    """Gives one answer to whoever asks, in a thread, and then hangs up; None: it never answers."""

    def __init__(self, path: Path, reply: bytes | None) -> None:
        self.environ = {"SUPERVISOR_SERVER_URL": f"unix://{path}", "SUPERVISOR_PROCESS_NAME": "jqd_00"}
        self.environ["SUPERVISOR_GROUP_NAME"] = "jqd"
        self.heard = b""
        self._reply = reply
        self._done = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)  # for somebody to ask
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection = self._socket.accept()[0]
        except OSError:
            return
        with connection:
            while b"</methodCall>" not in self.heard:
                self.heard += connection.recv(65536)
            if self._reply is None:
                self._done.wait()
            else:
                connection.sendall(self._reply)

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Callable[[bytes | None], Impostor]]:
    """Start servers in the place of supervisord's."""
    started: list[Impostor] = []

    def start(reply: bytes | None) -> Impostor:
        started.append(Impostor(tmp_path / "s", reply))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_the_numbers_and_the_cure_are_named(impostor: Callable[[bytes | None], Impostor]) -> None:
    supervisord = impostor(answer(("other", "jqd_00", 90), ("jqd", "jqd_01", 91), ("jqd", "jqd_00", 10)))
    said = stop_wait_complaint(supervisord.environ, 37.2)
    assert "10 s after TERM" in said
    assert "37.2 s" in said
    assert "stopwaitsecs=38" in said


@pytest.mark.parametrize("stop_wait_s", [38, 45])
def test_time_enough_is_no_reason_to_complain(impostor: Callable[[bytes | None], Impostor], stop_wait_s: int) -> None:
    assert stop_wait_complaint(impostor(answer(("jqd", "jqd_00", stop_wait_s))).environ, 38.0) == ""


def test_user_and_password_are_sent_where_they_are_known(impostor: Callable[[bytes | None], Impostor]) -> None:
    supervisord = impostor(answer(("jqd", "jqd_00", 10)))
    secrets = {"SUPERVISOR_USERNAME": "eve", "SUPERVISOR_PASSWORD": "x:y"}
    assert stop_wait_complaint(supervisord.environ | secrets, 38)
    assert b"\r\nAuthorization: Basic ZXZlOng6eQ==\r\n" in supervisord.heard


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0\xff\r\n\r\n\0",
        b"HTTP/1.0 401 Unauthorized\r\n\r\n<html><p>no",
        answer(),
        answer(("jqd", "jqd_01", 10)),
        answer(("jqd", "jqd_00", 10)).replace(b"<int>10</int>", b"<string>soon</string>"),
        answer(("jqd", "jqd_00", 10)).replace(b"stopwaitsecs", b"something else"),
        answer(("jqd", "jqd_00", 10)).replace(b"'1.0'?>", b"'1.0' encoding='klingon'?>"),
    ],
)
def test_an_answer_that_says_nothing_is_no_complaint_and_no_error(
    impostor: Callable[[bytes | None], Impostor], reply: bytes
) -> None:
    assert stop_wait_complaint(impostor(reply).environ, 38) == ""


def test_a_supervisord_that_does_not_answer_is_soon_given_up(impostor: Callable[[bytes | None], Impostor]) -> None:
    supervisord = impostor(None)
    began_s = time.monotonic()
    assert stop_wait_complaint(supervisord.environ, 38) == ""
    assert 0.9 < time.monotonic() - began_s < 10


@pytest.mark.parametrize(
    "url", ["", "unix:///nowhere/at/all", "http://127.0.0.1:1", "http://[", "http://a:port", "https://127.0.0.1"]
)
def test_without_a_supervisord_that_can_be_asked_nothing_is_said(url: str) -> None:
    environ = {"SUPERVISOR_SERVER_URL": url, "SUPERVISOR_PROCESS_NAME": "jqd_00", "SUPERVISOR_GROUP_NAME": "jqd"}
    assert stop_wait_complaint(environ, 38) == ""
    assert stop_wait_complaint({}, 38) == ""
