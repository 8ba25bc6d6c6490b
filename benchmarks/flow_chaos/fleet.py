"""The daemons of the campaign, and who is killed: workers that have begun a job, now and then a daemon."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from flow_chaos.shop import QUEUES

_HERE = Path(__file__).parent
#: One kill in so many is of a daemon.
_DAEMON_EVERY = 40


@dataclass
class Fleet:
    """Daemons on one host. ``killed``: how many workers, how many daemons."""

    redis_url: str
    directory: Path
    daemons: int
    workers: int
    rng: random.Random
    killed: dict[str, int] = field(default_factory=lambda: {"workers": 0, "daemons": 0})
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _read: int = 0
    _busy: set[int] = field(default_factory=set)

    @property
    def journal(self) -> Path:
        """What jobs say of themselves."""
        return self.directory / "journal"

    def start(self) -> None:
        """Start as many daemons as are missing."""
        self._running = [daemon for daemon in self._running if daemon.poll() is None]
        while len(self._running) < self.daemons:
            self._running.append(self._daemon())

    def _daemon(self) -> subprocess.Popen[bytes]:
        flags = ["--app", "flow_chaos.shop:app", "--queues", ",".join(QUEUES), "--processes", str(self.workers)]
        flags += ["--watch", "off", "--log-level", "warning", "--lease", "5", "--memory-reserve", "0"]
        flags += ["--runtime-dir", str(self.directory / "boards"), "--redis", self.redis_url]
        own = {name: value for name, value in os.environ.items() if not name.startswith("JQ_")}
        path = os.pathsep.join([str(_HERE.parent), *sys.path])
        with (self.directory / "daemon.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "jqjobs.cli.jqd", *flags], stdout=output, stderr=output, cwd=_HERE.parent,
                env=own | {"PYTHONPATH": path, "CAMPAIGN_JOURNAL": str(self.journal)},
            )  # fmt: skip

    def strike(self) -> None:
        """Kill one that is at work, as soon as there is one."""
        total = sum(self.killed.values())
        if total % _DAEMON_EVERY == _DAEMON_EVERY - 1:
            victim = self.rng.choice(self._running)
            victim.kill()
            victim.wait()
            self.killed["daemons"] += 1
            self.start()
            return
        psutil.Process(self._worker()).kill()
        self.killed["workers"] += 1

    def _worker(self) -> int:
        """Return the pid of a worker that has begun a job, at a moment that nobody chose."""
        while True:
            self._look()
            alive = [pid for pid in self._busy if psutil.pid_exists(pid) and self._is_ours(pid)]
            self._busy = set(alive)
            if alive:
                time.sleep(self.rng.uniform(0.0, 0.05))
                pid = self.rng.choice(sorted(alive))
                self._busy.discard(pid)
                if self._is_ours(pid):
                    return pid
            time.sleep(0.02)

    def _look(self) -> None:
        if not self.journal.exists():
            return
        with self.journal.open() as lines:
            lines.seek(self._read)
            new = lines.read()
            self._read = lines.tell()
        self._busy |= {int(line.split()[3]) for line in new.splitlines() if line.startswith("begin ")}

    def _is_ours(self, pid: int) -> bool:
        try:
            worker = psutil.Process(pid)
            return worker.status() != psutil.STATUS_ZOMBIE and worker.ppid() in {each.pid for each in self._running}
        except psutil.NoSuchProcess:
            return False

    def stop(self) -> None:
        """End all of it."""
        for daemon in self._running:
            daemon.terminate()
        for daemon in self._running:
            daemon.wait()
