"""A primary, two replicas and three sentinels on the loopback: killed, frozen, told to change places.

deployment = Deployment(directory)      # serves when that returns
deployment.kill(deployment.primary())   # a server, by its port
deployment.start(port)                  # again; the sentinels make it a replica
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from chaos.server import DIE_WITH_PARENT
from jqjobs.errors import StoreError
from jqjobs.store.address import parse_url
from jqjobs.store.wire import Wire

SERVICE = "mymaster"
_PATIENCE_S = 30.0
_SENTINEL = """port {port}
bind 127.0.0.1
dir {directory}
sentinel monitor {service} 127.0.0.1 {primary} 2
sentinel down-after-milliseconds {service} {down_after_ms}
sentinel failover-timeout {service} 10000
sentinel parallel-syncs {service} 1
"""


class Deployment:
    """Six processes, known by their ports. To be used by a thread that lives as long as they do: they die with it."""

    def __init__(self, directory: Path, *, replicas: int = 2, down_after_ms: int = 1000) -> None:
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.servers = [_free_port() for _ in range(1 + replicas)]
        self.sentinels = [_free_port() for _ in range(3)]
        #: Behind the URL: `?…`.
        self.options = ""
        first, *others = self.servers
        try:
            for port in self.servers:
                self.start(port, *(["--replicaof", f"127.0.0.1 {first}"] if port in others else []))
            for port in self.sentinels:
                self._start_sentinel(port, first, down_after_ms)
            self.wait_until_whole()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """What JQ_REDIS_URL says."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self.sentinels)}/{SERVICE}{self.options}"

    def start(self, port: int, *options: str) -> None:
        """Start a server (again); it loads what it has."""
        place = self._directory / str(port)
        place.mkdir(exist_ok=True)
        settings = {
            "port": str(port), "bind": "127.0.0.1", "dir": str(place), "save": "", "appendonly": "yes",
            "repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1", "repl-backlog-size": "64mb",
        }  # fmt: skip
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._start(port, [_binary(), *words, *options])

    def _start_sentinel(self, port: int, primary: int, down_after_ms: int) -> None:
        place = self._directory / str(port)
        place.mkdir()
        config = place / "sentinel.conf"
        config.write_text(_SENTINEL.format(
            port=port, directory=place, service=SERVICE, primary=primary, down_after_ms=down_after_ms
        ))  # fmt: skip
        self._start(port, [_binary(), str(config), "--sentinel"])

    def _start(self, port: int, command: list[str]) -> None:
        with (self._directory / f"{port}.log").open("ab") as output:
            self._processes[port] = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", DIE_WITH_PARENT, *command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        _eventually(lambda: self.ask(port, "PING") in (b"PONG", "PONG"), f"the server at {port} answers")

    def ask(self, port: int, *command: str | int) -> Any:
        """Return the reply of a server or sentinel. Raises: StoreError."""
        with closing(Wire(parse_url(f"redis://127.0.0.1:{port}"), timeout_s=2.0, name="deployment")) as wire:
            return wire.call(*command)

    def primary(self) -> int:
        """Return the port of the primary, as the first sentinel knows it."""
        return self.named_by(self.sentinels[0])

    def named_by(self, sentinel: int) -> int:
        """Return the port of the primary, as one sentinel knows it."""
        return int(self.ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def replicas(self) -> list[int]:
        """Return the ports of the other servers."""
        primary = self.primary()
        return [port for port in self.servers if port != primary]

    def kill(self, port: int) -> None:
        """End a server as kill -9 does."""
        self._end(port, signal.SIGKILL)

    def freeze(self, port: int) -> None:
        """Let a server stand still."""
        self._processes[port].send_signal(signal.SIGSTOP)

    def thaw(self, port: int) -> None:
        """Let it go on."""
        self._processes[port].send_signal(signal.SIGCONT)

    def fail_over(self) -> None:
        """Tell the sentinels to choose another primary; the one before lives on."""
        self.ask(self.sentinels[0], "SENTINEL", "FAILOVER", SERVICE)

    def wait_for_primary_but(self, port: int) -> float:
        """Wait until any sentinel names another primary; return when that was, seconds of the monotonic clock."""
        _eventually(lambda: any(self.named_by(one) != port for one in self.sentinels), "another primary is chosen")
        return time.monotonic()

    def wait_until_whole(self) -> None:
        """Wait until all sentinels name one primary and know each other, and all other servers follow it."""
        _eventually(self._is_whole, "primary, replicas and sentinels know each other")

    def _is_whole(self) -> bool:
        primaries = {self.named_by(port) for port in self.sentinels}
        if len(primaries) != 1 or not all(self._knows_all(port) for port in self.sentinels):
            return False
        role, _, replicas = self.ask(primaries.pop(), "ROLE")
        if role != b"master" or len(replicas) != len(self.servers) - 1:
            return False
        links = [self.ask(port, "INFO", "replication") for port in self.replicas()]
        return all(b"master_link_status:up" in link for link in links)

    def _knows_all(self, sentinel: int) -> bool:
        told = self.ask(sentinel, "SENTINEL", "MASTER", SERVICE)
        facts = dict(zip(told[::2], told[1::2], strict=True))
        replicas = str(len(self.servers) - 1).encode()
        return (facts[b"flags"], facts[b"num-slaves"], facts[b"num-other-sentinels"]) == (b"master", replicas, b"2")

    def stop(self) -> None:
        """End all processes."""
        for port in list(self._processes):
            self._end(port, signal.SIGTERM)

    def _end(self, port: int, number: signal.Signals) -> None:
        process = self._processes.pop(port)
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        process.wait(_PATIENCE_S)


def _binary() -> str:
    binary = shutil.which("redis-server")
    if binary is None:
        raise FileNotFoundError("redis-server is not installed")
    return binary


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _eventually(is_so: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s:
        try:
            if is_so():
                return
        except StoreError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"not within {_PATIENCE_S:g} s: {what}")
