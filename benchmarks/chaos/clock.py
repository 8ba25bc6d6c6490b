"""The two clocks of a run: that of Redis, which can be set, and our own, which is written into the log of Redis."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import redis

from chaos.lives import CLOCK_KEY

_SOURCE = Path(__file__).with_name("clock.c")
_TICK_S = 0.05
#: Begins with a write that a full Redis allows, so the rest goes through too.
_WRITE = f"""
redis.call('ZREM', 'chaos:none', '')
local time = redis.call('TIME')
redis.call('SET', '{CLOCK_KEY}', ARGV[1] .. ' ' .. time[1] .. string.sub('00000' .. time[2], -6, -4))
"""


def now_ms() -> int:
    """Return the time of the run's clock, ms since the epoch by this machine."""
    return time.time_ns() // 1_000_000


class SettableClock:
    """The clock of one redis-server. ``problem``: why it cannot be set here, or ""."""

    def __init__(self, directory: Path) -> None:
        self.offset_ms = self.highest_ms = 0
        self._file = directory / "clock"
        self._file.write_bytes(bytes(8))
        self._library = directory / "clock.so"
        self.problem = self._build()

    def _build(self) -> str:
        compiler = shutil.which("cc")
        if compiler is None:
            return "there is no C compiler"
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(_SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stderr[-200:] if done.returncode else ""

    def environment(self) -> dict[str, str]:
        """Return what a redis-server needs in its environment, so that its clock can be set."""
        return {} if self.problem else {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._file)}

    def jump(self, by_ms: int) -> None:
        """Set it forward, or back."""
        self.offset_ms += by_ms
        self.highest_ms = max(self.highest_ms, self.offset_ms)
        with self._file.open("r+b") as file:  # in place: the server has it mapped
            os.pwrite(file.fileno(), (self.offset_ms * 1000).to_bytes(8, "little", signed=True), 0)

    def catch_up(self) -> None:
        """Set it to where it was at most, so that nothing waits for a time that was set back."""
        self.jump(self.highest_ms - self.offset_ms)


class Ticker:
    """Writes the time into the log of a Redis, while that answers."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over.wait(_TICK_S):
            try:
                self._client.eval(_WRITE, 0, now_ms())
            except redis.RedisError:
                continue  # it is down, or frozen; there is no log then

    def close(self) -> None:
        """Stop."""
        self._is_over.set()
        self._thread.join()
        self._client.close()
