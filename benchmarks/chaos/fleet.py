"""The daemons of a run, on two "hosts": each has boards and a way to Redis of its own, so that it can be lost alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from chaos.server import DIE_WITH_PARENT
from chaos.traces import VARIABLE
from jqjobs.link.board import Board
from proxy import Proxy

#: The module that daemons load; an edit of it is a deploy.
_APP = "deployed"
_APP_TEXT = """\
from chaos import jobs

VERSION = {version}
app = jobs.build()
"""
LEASE_S, GRACE_S, KILL_AFTER_S = 8, 4, 1
_FLAGS = (
    "--app", f"{_APP}:app", "--lease", f"{LEASE_S}s", "--grace", f"{GRACE_S}s", "--kill-after", f"{KILL_AFTER_S}s",
    "--log-format", "json", "--jitter", "0.1",
)  # fmt: skip
#: Host → its daemons and what each is told besides.
_LAYOUT: dict[str, dict[str, tuple[str, ...]]] = {
    "a": {"a1": ("--processes", "2"), "a2": ("--processes", "1", "--concurrency", "8")},
    "b": {"b1": ("--processes", "3")},
}


@dataclass
class Daemon:
    """One jqd, started again and again. ``is_draining``: it was told to end."""

    name: str
    flags: tuple[str, ...]
    host: Host
    process: subprocess.Popen[bytes] | None = None
    is_draining: bool = False
    exits: list[int] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        """Whether it is there; notes how it ended."""
        if self.process is not None and self.process.poll() is not None:
            self.exits.append(self.process.returncode)
            self.process = None
        return self.process is not None

    def start(self) -> None:
        """Start it where it does not run. To be called by a thread that lives as long as the run."""
        if self.is_running:
            return
        command = [sys.executable, "-m", "jqjobs.cli.jqd", *_FLAGS, *self.flags, "--name", self.name]
        with (self.host.directory / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", DIE_WITH_PARENT, *command], cwd=self.host.directory,
                env=self.host.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.is_draining = False

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it runs."""
        if self.process is not None and self.is_running:
            self.process.send_signal(number)

    def workers(self) -> list[psutil.Process]:
        """Return its living workers, oldest first."""
        if not self.is_running:
            return []
        with suppress(psutil.NoSuchProcess):
            assert self.process is not None
            children = psutil.Process(self.process.pid).children()
            return sorted(filter(_is_alive, children), key=lambda child: child.pid)
        return []

    def worker_ids(self) -> dict[int, str]:
        """Return pid → worker id of all its workers that have a board."""
        return {} if self.process is None else self.host.worker_ids(self.process.pid)


@dataclass
class Host:
    """Daemons that share boards, a copy of the app, and a proxy."""

    name: str
    directory: Path
    traces: Path
    proxy: Proxy
    daemons: list[Daemon] = field(default_factory=list)
    _version: int = 0

    @property
    def boards(self) -> Path:
        """The runtime directory."""
        return self.directory / "boards"

    def environment(self) -> dict[str, str]:
        """Return what daemons are started with."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("JQ_")}
        path = os.pathsep.join([str(self.directory), str(Path(__file__).parents[1])])
        return own | {
            "JQ_REDIS_URL": self.proxy.url, "JQ_RUNTIME_DIR": str(self.boards), VARIABLE: str(self.traces),
            "PYTHONPATH": path,
        }  # fmt: skip

    def deploy(self, *, broken: bool = False) -> None:
        """Write another version of the app; a broken one cannot be loaded."""
        self._version += 1
        text = _APP_TEXT.format(version=self._version)
        (self.directory / f"{_APP}.py").write_text(f"{text}(\n" if broken else text)

    def worker_ids(self, daemon_pid: int) -> dict[int, str]:
        """Return pid → worker id of those a daemon has boards for."""
        headers = [header for header in self._headers() if header.get("daemon", {}).get("pid") == daemon_pid]
        return {header["worker"]["pid"]: header["worker_id"] for header in headers if header.get("worker")}

    def _headers(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self.boards.rglob("*.board")):
            with suppress(OSError, ValueError):
                board = Board(path)
                yield board.header
                board.close()

    def lose_boards(self) -> None:
        """Forget what was in memory, as a reboot does."""
        for path in self.boards.rglob("*.board*"):
            path.unlink(missing_ok=True)


class Fleet:
    """All hosts."""

    def __init__(self, directory: Path, proxies: dict[str, Proxy]) -> None:
        traces = directory / "traces"
        traces.mkdir()
        self.hosts = [self._host(directory / name, traces, proxies[name]) for name in _LAYOUT]
        self.daemons = [daemon for host in self.hosts for daemon in host.daemons]

    @staticmethod
    def _host(directory: Path, traces: Path, proxy: Proxy) -> Host:
        directory.mkdir()
        host = Host(directory.name, directory, traces, proxy)
        host.boards.mkdir(mode=0o700)
        host.daemons = [Daemon(name, flags, host) for name, flags in _LAYOUT[host.name].items()]
        host.deploy()
        return host

    def start(self) -> None:
        """Start every daemon that does not run."""
        for daemon in self.daemons:
            daemon.start()

    def drain(self, timeout_s: float) -> list[str]:
        """End all in an orderly way; return the names of those that did not."""
        for daemon in self.daemons:
            daemon.send(signal.SIGCONT)
            daemon.send(signal.SIGTERM)
        bad = []
        for daemon in self.daemons:
            if daemon.process is None:
                continue
            with suppress(subprocess.TimeoutExpired):
                daemon.process.wait(timeout_s)
            if daemon.process.poll() != 0:
                bad.append(
                    f"{daemon.name} ({'still there' if daemon.process.poll() is None else daemon.process.poll()})"
                )
        return bad

    def kill(self) -> None:
        """End all at once; workers die with their daemon, also those that are frozen."""
        for daemon in self.daemons:
            workers = daemon.workers()
            for process in (daemon.process, *workers):
                if process is not None:
                    with suppress(psutil.NoSuchProcess, ProcessLookupError):
                        process.send_signal(signal.SIGKILL)
            if daemon.process is not None:
                daemon.process.wait()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
