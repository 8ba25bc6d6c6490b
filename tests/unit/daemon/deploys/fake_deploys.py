"""The daemon's `SourceChanges` with fakes all around, except for the check: that is a real process.

deploys.change("/srv/shop.py")          # the watcher has seen a change
deploys.check("complains")              # what the next `jqd --check` does
deploys.advance_to(Step.RELOADING)      # the main loop turns until then
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.deploys import new_image
from jqjobs.daemon.deploys.release import resolve
from jqjobs.daemon.deploys.source_changes import SourceChanges, Step
from jqjobs.daemon.deploys.watched_files import WatchedFiles
from jqjobs.daemon.deploys.watcher import Change
from waiting import eventually

#: What `jqd --check` says and does, by the name that a test gives it.
CHECKS = {
    "fine": "print('it loads')",
    "complains": "import sys; print('jqd: shop does not load: SyntaxError', file=sys.stderr); sys.exit(78)",
    "crashes": "print('starting'); undefined_name",
    "silent": "import os; os._exit(3)",
    "hangs": "import time; time.sleep(600)",
}


@dataclass
class Worker:
    plan: object = None
    state: str = "joining"
    started_s: float = field(default_factory=time.monotonic)
    files: set[str] = field(default_factory=set)


class Reload:
    """The reload of the workers: begun, and over when the test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.abandoned = 0
        self.is_under_way = False
        self.refused_because = ""
        self.workers: list[Any] = []

    def begin(self) -> None:
        self.begun += 1
        self.is_under_way, self.refused_because = True, ""

    def advance(self) -> None:
        pass

    def abandon(self) -> None:
        self.abandoned += 1
        self.is_under_way = False

    def end(self, refusal: str = "") -> None:
        self.is_under_way, self.refused_because = False, refusal


class HostLock:
    """The turn among the daemons of the host: ours when the test says so."""

    def __init__(self) -> None:
        self.is_free = True
        self.is_held = False

    def try_take(self) -> bool:
        self.is_held = self.is_held or self.is_free
        return self.is_held

    def give_back(self) -> None:
        self.is_held = False


class Watcher:
    def __init__(self) -> None:
        self.files: set[str] = set()
        self.links: set[str] = set()
        self.kept: set[str] | None = None
        self.loaded_since_ns: int | None = None

    def watch(self, paths: Iterable[str], loaded_since_ns: int | None = None) -> None:
        self.files.update(paths)
        self.loaded_since_ns = loaded_since_ns

    def watch_links(self, paths: Iterable[str]) -> None:
        self.links.update(paths)

    def keep(self, paths: Iterable[str]) -> None:
        self.kept = set(paths)


class FakeDeploys:
    """SourceChanges with fakes all around, except for the check: that is a real process."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reload, self.host_lock, self.watcher = Reload(), HostLock(), Watcher()
        self.settings: object = False
        self.woken = 0
        self._patch = monkeypatch
        self.check("fine")
        watcher: Any = self.watcher
        self.files = WatchedFiles(resolve(directory), watcher)
        fakes: Any = (self.reload, self.files, self.host_lock, self._settings_changed, self._wake)
        self.source_changes = SourceChanges(*fakes)

    def check(self, name: str) -> None:
        """Have the next check be one of CHECKS."""
        self._patch.setattr(new_image, "command_of", lambda release: [sys.executable, "-S", "-c", CHECKS[name]])

    def _settings_changed(self) -> bool:
        if isinstance(self.settings, str):
            raise ValueError(self.settings)
        return bool(self.settings)

    def _wake(self) -> None:
        self.woken += 1

    def change(self, *paths: str) -> None:
        self.source_changes.heard_change(Change(paths or ("/srv/shop.py",)))

    def advance_to(self, step: Step) -> list[Step]:
        """Turn the main loop until a step is reached; return what it was told meanwhile."""
        told: list[Step] = []

        def is_there() -> bool:
            told.append(self.source_changes.advance())
            return self.source_changes.step is step

        eventually(is_there, what=f"the step {step}")
        return [one for one in told if one is not Step.NONE]
