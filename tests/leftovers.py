"""What a run of tests has left behind: processes it started, directories of its servers and of boards.

A process carries its parent's environment to its end: there stands which run it belongs to and, by pytest's own
variable, which test started it. Valkey writes its title over that; it is known by its working directory.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import servers
from jqjobs.daemon.workers.runtime import runtime_directory
from jqjobs.store.address import parse_url

_RUN, _TEST = "TEST_RUN", "PYTEST_CURRENT_TEST"


@dataclass(frozen=True)
class Leftovers:
    """Of one process that runs tests, with the directory that pytest gives it."""

    directory: Path
    mark: str = field(default_factory=lambda: f"{os.getpid()}-{secrets.token_hex(4)}")
    older: frozenset[Path] = field(default_factory=lambda: frozenset(_places()))

    def __post_init__(self) -> None:
        os.environ[_RUN] = self.mark

    def processes(self, patience_s: float) -> list[psutil.Process]:
        """Return what still runs, after some seconds too, of what was started here."""
        until_s = time.monotonic() + patience_s
        while (found := [each for each in psutil.process_iter() if self._is_ours(each)]) and time.monotonic() < until_s:
            time.sleep(0.05)
        return found

    def directories(self) -> list[Path]:
        """Return what is left of the servers that were started here: their data, and places for boards by default."""
        with tempfile.TemporaryDirectory() as aside:
            names = {runtime_directory(parse_url(server.url), aside).name for server in servers.started}
        boards = [place for place in _places() if place.name in names and place not in self.older]
        data = [Path(server.directory) for server in servers.started if server.directory]
        return boards + [directory for directory in data if directory.exists()]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get(_RUN) == self.mark or self.directory in Path(process.cwd()).parents
        except psutil.Error:  # gone, or not ours
            return False


def _places() -> list[Path]:
    """Return where boards lie by default, one place for each Redis: a free port may have been another run's."""
    return [place for parent in ("/dev/shm", "/tmp") for place in Path(parent).glob("jqjobs-*/*")]


def described(process: psutil.Process) -> str:
    """Return the command of a process, and the test that started it."""
    try:
        command, test = " ".join(process.cmdline())[:200], process.environ().get(_TEST)
    except psutil.Error:
        return "gone by now"
    return f"{command} ({process.pid})" + (f", started by {test}" if test else "")
