"""The Redis of a run: its log is never rewritten, so it is the whole history; killed and started at will."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import redis

from chaos.clock import SettableClock

#: `no` for the preamble: a base file in the binary format could not be read here.
_SETTINGS = {
    "save": "", "appendonly": "yes", "appendfsync": "everysec", "aof-use-rdb-preamble": "no",
    "auto-aof-rewrite-percentage": "0", "maxmemory-policy": "noeviction", "port": "0", "unixsocketperm": "700",
}  # fmt: skip
_BOOT_S = 60
#: What expires within this time of a snapshot may be gone when the log ends.
_SOON_MS = 60_000
#: Runs before an exec: what was started dies with this process, also when that is killed (PR_SET_PDEATHSIG).
DIE_WITH_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""


class RedisServer:
    """One redis-server at one address. To be started by a thread that lives as long as the run."""

    def __init__(self, directory: Path) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise FileNotFoundError("redis-server is not installed")
        self._binary = binary
        self._directory = directory
        self.clock = SettableClock(directory)
        self.url = f"unix://{directory}/redis.sock"
        self.log = directory / "appendonlydir"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, if it does not run, and wait until it has loaded its log. Raises: RuntimeError."""
        if self._process is not None:
            return
        settings = {**_SETTINGS, "dir": str(self._directory), "unixsocket": f"{self._directory}/redis.sock"}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        with (self._directory / "redis.log").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", DIE_WITH_PARENT, self._binary, *words],
                env={**os.environ, **self.clock.environment()}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _BOOT_S
        while not self.answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"redis-server did not start, see {output.name}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Whether it is there and has loaded its log."""
        try:
            with self.connect() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def connect(self) -> Any:  # redis-py's own types do not know that replies are decoded
        """Return a plain client that reads bytes as Latin-1, as `aof` does."""
        return redis.Redis.from_url(self.url, socket_timeout=10, decode_responses=True, encoding="latin-1")

    def kill(self) -> None:
        """End it as kill -9 does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in an orderly way."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it stand still."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(_BOOT_S)
        self._process = None


def snapshot(client: Any) -> dict[str, object]:
    """Return keys and values of a Redis, in the form that `keyspace.Keyspace` has; without what is about to expire."""
    return {key: _value(client, key) for key in client.scan_iter(count=1000) if not 0 <= client.pttl(key) < _SOON_MS}


def _value(client: Any, key: str) -> object:
    match client.type(key):
        case "string":
            return client.get(key)
        case "hash":
            return client.hgetall(key)
        case "list":
            return client.lrange(key, 0, -1)
        case "set":
            return client.smembers(key)
        case "zset":
            return dict(client.zrange(key, 0, -1, withscores=True))
    return None  # gone meanwhile
