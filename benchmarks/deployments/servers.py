"""Servers on the loopback, known by their ports: started, asked, killed, frozen. What they are to each other says who
derives from it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from chaos.server import DIE_WITH_PARENT
from jqjobs.errors import StoreError
from jqjobs.store.address import parse_url
from jqjobs.store.wire import Wire

_PATIENCE_S = 30.0
_LOOK_S = 0.05


class Servers:
    """To be used by a thread that lives as long as they do: they die with it."""

    def __init__(self, directory: Path, binary: str, certificate: Path | None = None) -> None:
        """``directory``: where each has one of its own. ``binary``: that of Redis or Valkey. ``certificate``: that of
        all, its own authority, with ``key.pem`` beside it; then whatever they say to anybody goes over TLS.
        """
        found = shutil.which(binary)
        if found is None:
            raise FileNotFoundError(f"{binary} is not installed")
        self._binary = found
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._frozen: set[int] = set()
        self._certificate = certificate

    @property
    def living(self) -> list[int]:
        """The ports of those that were neither killed nor frozen."""
        return sorted(self._processes.keys() - self._frozen)

    def place(self, port: int) -> Path:
        """Return the directory of a server."""
        place = self._directory / str(port)
        place.mkdir(exist_ok=True)
        return place

    def start_with(self, port: int, words: Sequence[str]) -> None:
        """Start a server (again), without waiting for it."""
        with (self._directory / f"{port}.log").open("ab") as output:
            self._processes[port] = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", DIE_WITH_PARENT, self._binary, *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def start_redis(self, port: int, settings: Mapping[str, str]) -> None:
        """Start one (again) that writes down what it acknowledges, without waiting for it."""
        common = {
            **self._listening(port), "bind": "127.0.0.1", "dir": str(self.place(port)), "save": "", "appendonly": "yes",
            "repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1",
        }  # fmt: skip
        self.start_with(
            port, [word for name, value in (common | dict(settings)).items() for word in (f"--{name}", value)]
        )

    def _listening(self, port: int) -> dict[str, str]:
        if self._certificate is None:
            return {"port": str(port)}
        return {
            "port": "0", "tls-port": str(port), "tls-cluster": "yes", "tls-replication": "yes",
            "tls-auth-clients": "no", "tls-cert-file": str(self._certificate),
            "tls-ca-cert-file": str(self._certificate), "tls-key-file": str(self._certificate.with_name("key.pem")),
        }  # fmt: skip

    def url_of(self, places: str, kind: str = "") -> str:
        """Return a URL that leads to them. ``kind``: what stands behind ``redis``."""
        if self._certificate is None:
            return f"redis{kind}://{places}"
        return f"rediss{kind}://{places}/?ssl_ca_certs={self._certificate}"

    def pid(self, port: int) -> int:
        """Return the process of a server."""
        return self._processes[port].pid

    def wait_for_answer(self, port: int) -> None:
        """Wait until a server has loaded what it has."""
        eventually(lambda: self.ask(port, "PING") in (b"PONG", "PONG"), f"the server at {port} answers")

    def ask(self, port: int, *command: str | int | bytes) -> Any:
        """Return the reply of a server. Raises: StoreError."""
        with closing(Wire(parse_url(self.url_of(f"127.0.0.1:{port}")), timeout_s=5.0, name="deployment")) as wire:
            return wire.call(*command)

    def kill(self, port: int) -> None:
        """End a server as kill -9 does."""
        process = self._processes.pop(port)
        process.kill()
        process.wait(_PATIENCE_S)

    def freeze(self, port: int) -> None:
        """Let a server stand still."""
        self._frozen.add(port)
        self._processes[port].send_signal(signal.SIGSTOP)

    def thaw(self, port: int) -> None:
        """Let it go on."""
        self._processes[port].send_signal(signal.SIGCONT)
        self._frozen.discard(port)

    def stop(self) -> None:
        """End all processes, at once: what they have is of no use any more."""
        for port in list(self._processes):
            self.kill(port)


def eventually(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so; a server that does not answer is not so. Raises: TimeoutError."""
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s:
        try:
            if is_so():
                return
        except StoreError:
            pass
        time.sleep(_LOOK_S)
    raise TimeoutError(f"not within {_PATIENCE_S:g} s: {what}")
