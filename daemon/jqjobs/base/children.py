"""Processes that threads start and wait for, while the main loop waits for strangers (`daemon.workers.reaper`)."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterable
from typing import Any


class Children:
    """For any thread. ``others``: pids of processes that were started in another way, and are waited for too."""

    def __init__(self, others: Iterable[int] = ()) -> None:
        #: Held while a process is started, so that nobody sees one before it is known here.
        self.lock = threading.Lock()
        self._others = frozenset(others)
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *args: Any, **options: Any) -> subprocess.Popen[bytes]:
        """Do what `subprocess.Popen` does."""
        with self.lock:
            process: subprocess.Popen[bytes] = subprocess.Popen(*args, **options)
            self._started = [*(each for each in self._started if each.returncode is None), process]
        return process

    @property
    def pids(self) -> frozenset[int]:
        """Those that nobody has waited for yet."""
        return self._others.union(each.pid for each in self._started if each.returncode is None)
