"""Addresses of --health: which forms are understood, and what is said of the others."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.base.listening import listen, name_of, remove_path
from jqjobs.errors import ConfigError

Listen = Callable[[str], socket.socket]


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this host has no IPv6")


@pytest.fixture
def listening() -> Iterator[Listen]:
    made: list[socket.socket] = []

    def one(address: str) -> socket.socket:
        made.append(listen(address))
        return made[-1]

    yield one
    for sock in made:
        sock.close()


def port_of(listener: socket.socket) -> int:
    return int(name_of(listener).rpartition(":")[2])


def reaches(host: str, listener: socket.socket) -> bool:
    with socket.create_connection((host, port_of(listener)), timeout=20):
        accepted, _ = listener.accept()
        accepted.close()
    return True


def test_host_and_port(listening: Listen) -> None:
    listener = listening("127.0.0.1:0")
    assert name_of(listener) == f"127.0.0.1:{port_of(listener)}"
    assert reaches("127.0.0.1", listener)


def test_of_a_name_the_ipv4_address_is_taken(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert name_of(listening("localhost:0")).startswith("127.0.0.1:")


@needs_ipv6
def test_ipv6_in_brackets(listening: Listen) -> None:
    listener = listening("[::1]:0")
    assert name_of(listener) == f"[::1]:{port_of(listener)}"
    assert reaches("::1", listener)


def test_a_port_alone_means_every_address(listening: Listen) -> None:
    assert reaches("127.0.0.1", listening(":0"))


@needs_ipv6
def test_a_port_alone_means_ipv6_too(listening: Listen) -> None:
    assert reaches("::1", listening(":0"))


def test_a_port_alone_works_without_ipv6(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert name_of(listening(":0")).startswith("0.0.0.0:")


@pytest.mark.parametrize("form", ["unix:{}", "unix://{}"])
def test_a_path(listening: Listen, tmp_path: Path, form: str) -> None:
    path = tmp_path / "health"
    listener = listening(form.format(path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    remove_path(name_of(listener))
    assert not path.exists()


def test_a_socket_that_a_killed_daemon_left_is_replaced(listening: Listen, tmp_path: Path) -> None:
    path = tmp_path / "health"
    listening(f"unix:{path}").close()
    assert path.exists()
    listening(f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_on_which_somebody_listens_is_taken(listening: Listen, tmp_path: Path) -> None:
    first = listening(f"unix:{tmp_path}/health")
    with pytest.raises(ConfigError, match="in use"):
        listen(f"unix:{tmp_path}/health")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name_of(first).removeprefix("unix:"))


def test_a_file_is_not_taken_for_a_socket_that_was_left(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="in use"):
        listen(f"unix:{path}")
    assert path.read_text() == "precious"


def test_a_taken_port_is_named_with_what_to_do(listening: Listen) -> None:
    address = name_of(listening("127.0.0.1:0"))
    with pytest.raises(ConfigError) as raised:
        listen(address)
    assert raised.value.in_one_line().startswith(f"cannot listen on --health {address}: Address already in use (")
    assert "`ss -lxtp`" in raised.value.hint


@pytest.mark.parametrize(
    "address",
    ["", "8811", "localhost", "::1:8811", "[::1]", "[]:8811", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1",
     "http://127.0.0.1:8811", "a b:c", "127.0.0.1:8811 ", "127.0.0.1:８８１１"],
)  # fmt: skip
def test_what_is_no_address_is_told_the_forms(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address") as raised:
        listen(address)
    assert "[::1]:8811" in raised.value.hint


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1:8811", "Cannot assign requested address"),  # RFC 5737: nobody has it
        (f"{'x' * 70}.example:8811", "label"),
        ("unix:relative/path", "no absolute path"),
        ("unix:", "no absolute path"),
        ("unix:/nowhere/at/all/health", "No such file or directory"),
        ("unix:/" + "x" * 200, "too long"),
    ],
    ids=lambda text: text[:20],
)
def test_what_cannot_be_had_is_a_configuration_error(address: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        listen(address)


def test_a_name_that_nobody_knows_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(ConfigError, match="--health db:8811: Name or service not known"):
        listen("db:8811")


def test_a_port_for_root_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied (while attempting to bind)")

    monkeypatch.setattr(socket, "create_server", refuse)  # the tests may be run by root
    with pytest.raises(ConfigError, match=r"--health 127\.0\.0\.1:81: Permission denied") as raised:
        listen("127.0.0.1:81")
    assert "1024" in raised.value.hint
