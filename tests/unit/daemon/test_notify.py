"""What systemd hears, by a real datagram socket in the place of systemd's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.daemon.notify import Notifier


class Systemd:
    """The end of NOTIFY_SOCKET that systemd reads."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """Return the assignments that came since the last call, in order."""
        lines: list[str] = []
        while True:
            try:
                lines += self.socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                return lines


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def systemd(path: str) -> Iterator[Systemd]:
    made = Systemd(path)
    yield made
    made.socket.close()


@pytest.fixture
def notifier(path: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": path})


def test_ready_is_said_once_and_only_when_workers_are_ready(notifier: Notifier, systemd: Systemd) -> None:
    notifier.tell("starting", "0 of 2 workers ready")
    assert systemd.heard() == ["STATUS=0 of 2 workers ready"]
    notifier.tell("running", "2 of 2 workers ready")
    notifier.tell("running", "2 of 2 workers ready")
    assert systemd.heard() == ["READY=1", "STATUS=2 of 2 workers ready"]


def test_every_request_for_a_reload_is_answered_also_one_during_a_reload(notifier: Notifier, systemd: Systemd) -> None:
    notifier.tell("running", "")
    systemd.heard()
    notifier.reloading()
    notifier.tell("reloading", "")
    notifier.reloading()
    heard = systemd.heard()
    assert heard.count("RELOADING=1") == 2
    assert sum(line.startswith("MONOTONIC_USEC=") for line in heard) == 2
    notifier.tell("waiting_redis", "")
    assert systemd.heard() == ["READY=1"]


def test_waiting_for_redis_counts_as_ready_and_its_return_is_no_news(notifier: Notifier, systemd: Systemd) -> None:
    notifier.tell("waiting_redis", "no answer")
    notifier.tell("running", "no answer")
    assert systemd.heard() == ["READY=1", "STATUS=no answer"]


@pytest.mark.parametrize("after", ["running", "quiet", "waiting_redis"])
def test_a_reload_is_announced_and_ends_with_ready(notifier: Notifier, systemd: Systemd, after: str) -> None:
    notifier.tell("running", "")
    systemd.heard()
    notifier.tell("reloading", "")
    word, moment = systemd.heard()
    assert word == "RELOADING=1"
    assert int(moment.removeprefix("MONOTONIC_USEC=")) > 0
    notifier.tell(after, "")
    assert systemd.heard() == ["READY=1"]


def test_quiet_is_no_news_for_systemd(notifier: Notifier, systemd: Systemd) -> None:
    notifier.tell("running", "")
    systemd.heard()
    notifier.tell("quiet", "")
    assert systemd.heard() == []


def test_stopping_is_said_once(notifier: Notifier, systemd: Systemd) -> None:
    for state in ("running", "draining", "draining", "stopping"):
        notifier.tell(state, "")
    assert systemd.heard() == ["READY=1", "STOPPING=1"]


def test_patience_is_asked_for_in_microseconds(notifier: Notifier, systemd: Systemd) -> None:
    notifier.extend(38.5)
    assert systemd.heard() == ["EXTEND_TIMEOUT_USEC=38500000"]


def test_the_watchdog_is_fed_twice_in_its_time(path: str, systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"})
    heard = []
    for _ in range(41):
        notifier.tell("running", "")
        heard.append("WATCHDOG=1" in systemd.heard())
        now_s += 1
    assert [turn for turn, fed in enumerate(heard) if fed] == [0, 15, 30]


def test_without_a_watchdog_nothing_is_fed(notifier: Notifier, systemd: Systemd) -> None:
    notifier.tell("running", "")
    assert systemd.heard() == ["READY=1"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_systemd_nothing_happens(environ: dict[str, str]) -> None:
    notifier = Notifier(environ)
    notifier.tell("running", "")
    notifier.extend(1)


def test_the_abstract_namespace_is_understood() -> None:
    name = f"jqjobs-test-{id(object())}"
    systemd = Systemd("\0" + name)
    Notifier({"NOTIFY_SOCKET": "@" + name}).tell("running", "")
    assert systemd.heard() == ["READY=1"]
    systemd.socket.close()


def test_what_systemd_did_not_get_is_said_again(notifier: Notifier, path: str) -> None:
    notifier.tell("running", "fine")  # nobody listens: systemd executes itself anew
    systemd = Systemd(path)
    notifier.tell("running", "fine")
    assert systemd.heard() == ["READY=1", "STATUS=fine"]
    systemd.socket.close()


def test_a_status_line_can_set_nothing_else(notifier: Notifier, systemd: Systemd) -> None:
    notifier.tell("starting", "SyntaxError\nREADY=1\n\ud800" + "x" * 100_000)
    [line] = systemd.heard()
    assert line.startswith(r"STATUS=SyntaxError\nREADY=1\n\ud800xxx")
    assert len(line) < 300
