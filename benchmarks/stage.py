"""The stage of a benchmark: a real Redis (or the embedded Valkey), daemons, and a plain client beside them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import ledger
from jqjobs.embedded import EmbeddedServer
from jqjobs.errors import StoreError
from jqjobs.store.address import parse_url
from jqjobs.store.calls import upkeep
from jqjobs.store.store import Store

HERE = Path(__file__).resolve().parent
_SETTINGS = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")


@dataclass(frozen=True)
class Server:
    """A running server. ``kind``: what it says it is; ``directory``: for the files of the run."""

    url: str
    pid: int
    kind: str
    directory: Path


@contextmanager
def server() -> Iterator[Server]:
    """Run redis-server where it is installed, else the embedded Valkey; AOF on, as in production; unix socket."""
    with tempfile.TemporaryDirectory(prefix="jqbench-") as name:
        directory = Path(name)
        binary = shutil.which("redis-server")
        running = _redis(binary, directory) if binary else _embedded(directory)
        with running as (url, pid):
            os.environ["JQ_REDIS_URL"] = url  # for the producers of this process, and for all that it starts
            yield Server(url, pid, _kind(url), directory)


@contextmanager
def _redis(binary: str, directory: Path) -> Iterator[tuple[str, int]]:
    path = directory / "redis.sock"
    where = ("--port", "0", "--unixsocket", str(path), "--dir", str(directory))
    process = subprocess.Popen([binary, *where, *_SETTINGS], stdout=subprocess.DEVNULL)
    url = f"unix://{path}"
    try:
        wait_until(lambda: _answers(url), 10)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    """Whether the server listens; its socket is there a moment before."""
    try:
        Store(parse_url(url)).ping()
    except StoreError:
        return False
    return True


@contextmanager
def _embedded(directory: Path) -> Iterator[tuple[str, int]]:
    embedded = EmbeddedServer.ensure(f"embedded:{directory}/valkey", directory)
    if embedded is None or embedded.pid is None:
        raise RuntimeError("the embedded server did not start")
    yield embedded.url, embedded.pid
    embedded.stop()


def _kind(url: str) -> str:
    fields = _fields(Store(parse_url(url)).wire.call("INFO", "server").decode())
    return f"{fields.get('server_name', 'Redis')} {fields.get('valkey_version') or fields['redis_version']}"


def _fields(text: str) -> dict[str, str]:
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


class Stage:
    """One server as the benchmark sees it. ``repeats``: of each measure; ``quick``: small numbers, for a first look."""

    def __init__(self, place: Server, *, repeats: int, quick: bool) -> None:
        self.place, self.repeats, self.quick = place, repeats, quick
        self.store = Store(parse_url(place.url), timeout_s=60)
        self.plain = redis.Redis(
            unix_socket_path=parse_url(place.url).path, retry=Retry(NoBackoff(), 0), single_connection_client=True
        )

    def new_ledger(self, cells: int) -> memoryview:
        """Return the cells of an empty ledger, which the jobs of daemons that are started from here on write into."""
        path = Path(os.environ.setdefault(ledger.VARIABLE, str(self.place.directory / "ledger")))
        return ledger.create(path, cells)

    def get_rate(self, n: int = 5000) -> float:
        """Return plain GETs a second of one redis-py connection."""
        return rate(n, lambda: [self.plain.get("nothing") for _ in range(n)])

    def clear(self) -> None:
        """Empty the server."""
        self.store.wire.call("FLUSHALL")

    def pause(self, queue: str, *, resume: bool = False) -> None:
        """Hold a queue back, or let it go on."""
        self.store.run(upkeep.resume(queue) if resume else upkeep.pause(queue))

    def done(self, queue: str) -> int:
        """Return how many jobs of a queue have succeeded."""
        return int(self.store.wire.call("HGET", f"jq:{{{queue}}}:meta", "done") or 0)

    def info(self, section: str) -> dict[str, str]:
        """Return a section of what the server says of itself."""
        return _fields(self.store.wire.call("INFO", section).decode())


def rate(n: int, work: Callable[[], object]) -> float:
    """Return n divided by the seconds that ``work`` takes."""
    started = time.perf_counter()
    work()
    return n / (time.perf_counter() - started)


@contextmanager
def daemon(*options: str, app: str = "jobs:app", directory: Path = HERE, workers: int = 1) -> Iterator[int]:
    """Run jqd with an app; yields its pid once all its workers are ready."""
    command = [sys.executable, "-m", "jqjobs.cli.jqd", "--app", app, "--jitter", "0", "--processes", str(workers)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*command, *options], cwd=directory, stderr=log)
        try:
            wait_until(lambda: _ready(process, log) >= workers, 60 + workers, 0.02)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _ready(process: subprocess.Popen[bytes], log: IO[str]) -> int:
    """Return how many workers have said that they are ready. Raises: RuntimeError when the daemon has ended."""
    log.seek(0)
    said = log.read()
    if process.poll() is not None:
        raise RuntimeError(f"jqd ended before its workers were ready: {said[-500:].strip()}")
    return said.count(" worker.ready ")


@contextmanager
def background(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the folder of the benchmarks until the block ends; what it prints goes to a file."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=HERE, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        # The session is ours alone: this ends what the command has left behind.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(holds: Callable[[], object], timeout_s: float, step_s: float = 0.01) -> None:
    """Look again and again. Raises: TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of it in {timeout_s:.0f} s")
        time.sleep(step_s)
