"""Which files are watched for changes: those that the workers have loaded, and those that the daemon is made of."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jqjobs.base.config import dotenv_of
from jqjobs.daemon.deploys.new_image import own_digests
from jqjobs.daemon.deploys.release import Release, unresolved
from jqjobs.daemon.deploys.watcher import SourceWatcher
from jqjobs.daemon.workers.spawn import WorkerProcess


@dataclass
class WatchedFiles:
    """One per daemon. ``watcher``: None when nothing is watched; what the daemon is made of is known all the same."""

    release: Release
    watcher: SourceWatcher | None = None
    _own: dict[Path, bytes] = field(default_factory=lambda: own_digests())
    _dotenvs: list[str] = field(default_factory=list)
    _has_reloaded: bool = False

    @property
    def unwatched(self) -> str:
        """Why inotify does not help to see changes, "" where it does or is not asked to."""
        return self.watcher.inotify_failure if self.watcher else ""

    def watch(self, worker: WorkerProcess, told: Mapping[str, Any]) -> None:
        """Watch files that a worker has loaded; a retiring one may be of another release, and soon does not matter.

        ``told``: its message, see `worker.life.loaded_files`.
        """
        if self.watcher is None or worker.plan is not None:
            return
        found = [sys.intern(unresolved(path, self.release)) for path in told["paths"]]
        worker.files.update(found)
        self.watcher.watch(found, self._loaded_since_ns(worker, told))

    def _loaded_since_ns(self, worker: WorkerProcess, told: Mapping[str, Any]) -> int:
        """Say from when on what is written to the files is taken for a change, as time of the epoch.

        First from when the worker may have loaded them. After the first reload from when it had: an app that makes new
        modules, each time it is loaded or in its jobs, must not be reloaded for ever.
        """
        if self._has_reloaded:
            return int(told["until_ns"])
        if worker.state == "ready":
            return int(told["since_ns"])
        return time.time_ns() - int((time.monotonic() - worker.started_s) * 1e9)

    def watch_own(self) -> None:
        """Watch what the daemon itself depends on."""
        if self.watcher is not None:
            here = self.release.directory / ".env"  # one that comes nearer than the one that counts, counts then
            self._dotenvs = list(dict.fromkeys([str(here), str(dotenv_of(self.release.directory) or here)]))
            self.watcher.watch(self._own_paths())
            self.watcher.watch_links(map(str, self.release.links))

    def follow_links(self) -> None:
        """Go on with the release that the links lead to now."""
        self.release = self.release.refreshed()
        self.watch_own()

    def has_new_image(self) -> bool:
        """Return whether jqjobs itself is another one by now than the one that runs."""
        return self._own != own_digests()

    def keep(self, workers: Iterable[WorkerProcess]) -> None:
        """Watch only what those of them have loaded that stay, and our own: an old release may be removed."""
        self._has_reloaded = True
        if self.watcher is not None:
            stay = [path for worker in workers if worker.plan is None for path in worker.files]
            self.watcher.keep([*stay, *self._own_paths()])

    def _own_paths(self) -> list[str]:
        return [*self._dotenvs, *map(str, self._own)]
