"""What follows from a change on disk, or from HUP: a reload of the workers, or a new image of the daemon itself.

    change or HUP ─▶ jqjobs or the daemon's settings differ? ─no─▶ my turn? ─▶ roll the workers (reload.py)
                                  └yes─▶ `jqd --check` in a process of its own ─fine─▶ my turn? ─▶ drain, exec

Nothing is retried by itself: what was refused is tried again when something changes again.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from jqjobs.base import log
from jqjobs.base.escape import visible
from jqjobs.daemon.deploys.fingerprints import digest
from jqjobs.daemon.deploys.host_lock import HostLock
from jqjobs.daemon.deploys.release import Release, unresolved
from jqjobs.daemon.deploys.reload import Reload
from jqjobs.daemon.deploys.watcher import Change, SourceWatcher
from jqjobs.daemon.workers.spawn import WorkerProcess

_CHECK_S = 60.0
_SHOWN_PATHS = 5


class Step(Enum):
    """How far the answer to a change has come."""

    NONE = "none"
    CHECKING = "checking"  #: the new daemon is tried
    WAITING_FOR_EXEC = "waiting for exec"  #: for the daemon's turn among those of the host
    WAITING_FOR_RELOAD = "waiting for reload"
    RELOADING = "reloading"
    EXEC = "exec"  #: the daemon drains and is replaced


@dataclass
class SourceChanges:
    """One per daemon, called by its main loop.

    ``settings_changed()``: whether the settings, read anew, differ; raises ValueError with the reason when they are
    wrong. ``wake()``: wakes the main loop, from any thread.
    """

    reload: Reload
    release: Release
    host_lock: HostLock
    settings_changed: Callable[[], bool]
    wake: Callable[[], None]
    watcher: SourceWatcher | None = None
    refused_because: str = ""
    step: Step = Step.NONE
    _changes: SimpleQueue[Change] = field(default_factory=SimpleQueue)
    _check: subprocess.Popen[bytes] | None = None
    _check_until_s: float = 0.0
    _said: IO[bytes] = field(default_factory=io.BytesIO)
    _own: dict[Path, bytes] = field(default_factory=lambda: _own_digests())

    @property
    def is_under_way(self) -> bool:
        """Whether a change is being answered."""
        return self.step is not Step.NONE or self.reload.is_under_way

    @property
    def refusal(self) -> str:
        """Why the last change was refused, "" when it was not."""
        return self.refused_because or self.reload.refused_because

    def heard_change(self, change: Change) -> None:
        """Note a change; called by the watcher's thread."""
        self._changes.put(change)
        self.wake()

    def watch(self, worker: WorkerProcess, paths: Iterable[str]) -> None:
        """Watch files that a worker has loaded; a retiring one may be of another release, and soon does not matter."""
        if self.watcher is None or worker.plan is not None:
            return
        found = [sys.intern(unresolved(path, self.release)) for path in paths]
        worker.files.update(found)
        self.watcher.watch(found)

    def watch_own(self) -> None:
        """Watch what the daemon itself depends on."""
        if self.watcher is not None:
            self.watcher.watch(self._own_paths())
            self.watcher.watch_links(map(str, self.release.links))

    def _own_paths(self) -> list[str]:
        return [str(self.release.directory / ".env"), *map(str, self._own)]

    def _forget_old_files(self) -> None:
        """Watch no longer what only the replaced workers had loaded: an old release may be removed."""
        if self.watcher is not None:
            stay = [path for worker in self.reload.workers if worker.plan is None for path in worker.files]
            self.watcher.keep([*stay, *self._own_paths()])

    def on_hup(self) -> None:
        """Answer as to a change, whether or not there was one."""
        self._begin()

    def abandon(self) -> None:
        """Forget what is under way: the daemon ends."""
        self.step = Step.NONE
        self.reload.abandon()
        self._end_check()
        self.host_lock.give_back()

    def children(self) -> set[int]:
        """Return the processes that were started here and are not waited for yet."""
        return {self._check.pid} if self._check is not None else set()

    def advance(self) -> Step:
        """Do the next step, if it is time for it.

        Return `RELOADING` once when a reload begins, `EXEC` once when the daemon is to be replaced, else `NONE`.
        """
        self._hear_changes()
        self.reload.advance()
        if self.step is Step.CHECKING:
            self._look_at_check()
        elif self.step is Step.WAITING_FOR_EXEC and self.host_lock.try_take():
            self.step = Step.EXEC
            return self.step
        elif self.step is Step.WAITING_FOR_RELOAD and self.host_lock.try_take():
            self.reload.begin()
            self.step = Step.RELOADING
            return self.step
        elif self.step is Step.RELOADING and not self.reload.is_under_way:
            self.step = Step.NONE
            self.host_lock.give_back()
            if not self.reload.refused_because:
                self._forget_old_files()
        return Step.NONE

    def _hear_changes(self) -> None:
        paths: list[str] = []
        while not self._changes.empty():
            paths += self._changes.get().paths
        if paths and self.step is not Step.EXEC:
            more = len(paths) - _SHOWN_PATHS
            shown = ", ".join(paths[:_SHOWN_PATHS]) + (f" and {more} more" if more > 0 else "")
            log.event("source.changed", paths=shown)
            self._begin()

    def _begin(self) -> None:
        self._end_check()
        self.refused_because = ""
        self.release = self.release.refreshed()
        self.watch_own()
        try:
            is_own = self._own != _own_digests() or self.settings_changed()
        except ValueError as error:
            return self._refuse(str(error))
        if is_own:
            return self._start_check()
        if self.step is Step.RELOADING:
            return self.reload.begin()  # the new code has become old meanwhile
        self.step = Step.WAITING_FOR_RELOAD
        return None

    def _start_check(self) -> None:
        command = [*command_of(self.release), "--check"]
        try:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115  no pipe: nobody reads while it runs
            self._check = subprocess.Popen(
                command, cwd=self.release.directory, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said
            )
        except OSError as error:
            self._said.close()
            return self._refuse(f"{command[0]} cannot be started: {error}")
        self._check_until_s = time.monotonic() + _CHECK_S
        self.step = Step.CHECKING
        return None

    def _look_at_check(self) -> None:
        assert self._check is not None
        code = self._check.poll()
        if code is None and time.monotonic() > self._check_until_s:
            self._end_check()
            self._refuse(f"jqd --check took longer than {_CHECK_S:g} s")
        elif code == 0:
            self._end_check()
            self.step = Step.WAITING_FOR_EXEC
        elif code is not None:
            self._refuse(_complaint(self._said) or f"jqd --check ended with {code}")
            self._end_check()

    def _end_check(self) -> None:
        if self._check is None:
            return
        self._check.kill()
        self._check.wait()
        self._check = None
        self._said.close()

    def _refuse(self, reason: str) -> None:
        self.step = Step.NONE
        self.host_lock.give_back()
        self.refused_because = visible(reason, limit=500)
        log.event("reload.refused", level=40, error=reason)


def _complaint(said: IO[bytes]) -> str:
    """Return what `jqd --check` complained of: its own line, or the end of a traceback and the place."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
    lines = [line for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line.removeprefix("jqd: ") for line in lines if line.startswith("jqd: ")]
    if errors or not lines:
        return errors[-1] if errors else ""
    place = next((line.strip() for line in reversed(lines) if line.lstrip().startswith("File ")), "")
    return f"{lines[-1]} ({place})" if place else lines[-1]


def command_of(release: Release) -> list[str]:
    """Return the command that starts this daemon again, in the same directory however it was told of it."""
    command, directory = [sys.executable, *sys.orig_argv[1:]], ["--directory", str(release.directory)]
    return command if command[-2:] == directory else command + directory


def own_files() -> list[Path]:
    """Return the files of jqjobs itself."""
    package = Path(__file__).parents[2]
    # os.walk passes over what vanishes while an installation is under way; Path.rglob raises.
    return [Path(at, name) for at, _, names in os.walk(package) for name in names if name.endswith((".py", ".lua"))]


def _own_digests() -> dict[Path, bytes]:
    """Return the contents of jqjobs' own files, as digests: some hundred files, read only when something changed."""
    return {path: digest(str(path)) for path in own_files()}
