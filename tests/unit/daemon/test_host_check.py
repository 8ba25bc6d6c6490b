"""What is said of a supervisord that will not wait for a drain. e2e/test_supervisord_stopwait.py asks a real one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.daemon.host_check import POD_GRACE_S, pod_note, stop_wait_complaint, unit_complaint
from jqjobs.daemon.settings import DaemonSettings

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


class Unit:
    """A place in the tree of cgroups, and a systemctl that says so much of what is there."""

    def __init__(self, directory: Path, says: str, path: str) -> None:
        self.cgroup = directory / "cgroup"
        self.cgroup.write_text(f"1:name=systemd:/x\n0::{path}\n")
        self.asked = directory / "asked"
        program = directory / "systemctl"
        program.write_text(f'#!/bin/sh\necho "$@" > {self.asked}\n{says}\n')
        program.chmod(0o755)


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Unit]:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return lambda says, path: Unit(tmp_path, says, path)


BELOW_SYSTEMD = {"INVOCATION_ID": "3f2a"}
SYSTEM_PATH = "/system.slice/system-jqd.slice/jqd@1.service"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (SYSTEM_PATH, "show --value --property=TimeoutStopUSec jqd@1.service"),
        ("/user.slice/user@7.service/app.slice/j.service", "--user show --value --property=TimeoutStopUSec j.service"),
    ],
)
def test_a_unit_that_cannot_be_extended_and_stops_sooner_is_named(
    unit: Callable[[str, str], Unit], path: str, words: str
) -> None:
    ours = unit("echo 10s", path)
    said = unit_complaint(BELOW_SYSTEMD, 33, ours.cgroup)
    assert "systemd kills jqd 10 s after TERM" in said
    assert "TimeoutStopSec=33" in said
    assert ours.asked.read_text().strip() == words


@pytest.mark.parametrize(
    "says", ["echo 1min 30s", "echo 33s", "echo infinity", "echo 1w", "echo", "exit 1", "exec sleep 60", "echo soon 1s"]
)
def test_of_a_unit_that_waits_long_enough_or_of_which_nothing_is_known_nothing_is_said(
    unit: Callable[[str, str], Unit], says: str
) -> None:
    assert unit_complaint(BELOW_SYSTEMD, 33, unit(says, SYSTEM_PATH).cgroup) == ""


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        (BELOW_SYSTEMD | {"NOTIFY_SOCKET": "/run/systemd/notify"}, SYSTEM_PATH),
        ({}, SYSTEM_PATH),
        (BELOW_SYSTEMD, "/user.slice/user-7.slice/session-2.scope"),
        (BELOW_SYSTEMD, "/"),
    ],
)
def test_who_is_told_how_long_a_drain_takes_or_is_no_service_is_not_asked(
    unit: Callable[[str, str], Unit], environ: dict[str, str], path: str
) -> None:
    ours = unit("echo 1s", path)
    assert unit_complaint(environ, 33, ours.cgroup) == ""
    assert not ours.asked.exists()


def test_without_systemd_nothing_is_said(tmp_path: Path) -> None:
    assert unit_complaint(BELOW_SYSTEMD, 33, tmp_path / "missing") == ""


def test_a_pod_is_told_only_when_its_jobs_may_run_longer_than_kubernetes_waits_by_default() -> None:
    settings, pod = DaemonSettings("shop:app", "redis://"), {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert pod_note(pod, settings.grace_s + settings.kill_after_s) == ""
    assert "65 s: terminationGracePeriodSeconds" in pod_note(pod, 65)
    assert pod_note({}, 65) == ""
    assert settings.grace_s < POD_GRACE_S
