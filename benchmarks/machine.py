"""The stage of a benchmark: a real Redis (or the embedded Valkey), daemons, and what they cost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jqjobs.embedded import EmbeddedServer
from jqjobs.store.address import parse_url
from jqjobs.store.store import Store

HERE = Path(__file__).resolve().parent
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server. ``kind``: what it says it is."""

    url: str
    pid: int
    kind: str


@contextmanager
def server() -> Iterator[Server]:
    """Run redis-server where it is installed, else the embedded Valkey; AOF on, as in production."""
    with tempfile.TemporaryDirectory(prefix="jqbench-") as name:
        binary = shutil.which("redis-server")
        if binary is None:
            embedded = EmbeddedServer.ensure(f"embedded:{name}/valkey", Path(name))
            assert embedded is not None
            assert embedded.pid is not None
            yield _described(embedded.url, embedded.pid)
            embedded.stop()
            return
        url = f"unix://{name}/redis.sock"
        options = [
            "--port",
            "0",
            "--unixsocket",
            f"{name}/redis.sock",
            "--dir",
            name,
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        try:
            _wait_until(lambda: Path(f"{name}/redis.sock").exists())
            yield _described(url, process.pid)
        finally:
            process.terminate()
            process.wait()


def _described(url: str, pid: int) -> Server:
    info = Store(parse_url(url)).wire.call("INFO", "server").decode()
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    version = fields.get("valkey_version") or fields["redis_version"]
    return Server(url, pid, f"{fields.get('server_name', 'redis')} {version}")


@contextmanager
def daemon(url: str, processes: int, *options: str, app: str = "noop:app", directory: Path = HERE) -> Iterator[int]:
    """Run jqd with an app, the no-op one by default; yields its pid once all workers are ready."""
    command = [sys.executable, "-m", "jqjobs.cli.jqd", "--app", app, "--redis", url]
    process = subprocess.Popen(
        [*command, "--processes", str(processes), *options], cwd=directory, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    ready = 0
    while ready < processes:
        line = process.stderr.readline()
        if not line:
            raise RuntimeError("jqd ended before its workers were ready")
        ready += "worker.ready" in line
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.stderr.close()
        process.wait()


def children(pid: int) -> list[int]:
    """Return the pids of a process's children."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in text.split()]


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def pss_mib(pid: int) -> float:
    """Return the memory of a process, with what it shares counted in parts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _wait_until(holds: object, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError("the server did not start")
        time.sleep(0.01)
