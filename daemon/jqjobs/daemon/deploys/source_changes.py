"""What follows from a change on disk, or from HUP: a reload of the workers, or a new image of the daemon itself.

    change or HUP ─▶ jqjobs or the daemon's settings differ? ─no─▶ my turn? ─▶ roll the workers (reload.py)
                                  └yes─▶ `jqd --check` (new_image.py) ─fine─▶ my turn? ─▶ drain, exec

Nothing is retried by itself: what was refused is tried again when something changes again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from queue import SimpleQueue

from jqjobs.base import log
from jqjobs.base.escape import visible
from jqjobs.daemon.deploys.host_lock import HostLock
from jqjobs.daemon.deploys.new_image import ImageCheck
from jqjobs.daemon.deploys.reload import Reload
from jqjobs.daemon.deploys.watched_files import WatchedFiles
from jqjobs.daemon.deploys.watcher import Change

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
    wrong. ``wake()``: wakes the main loop, from any thread. ``begun``: how many answers have begun.
    """

    reload: Reload
    files: WatchedFiles
    host_lock: HostLock
    settings_changed: Callable[[], bool]
    wake: Callable[[], None]
    refused_because: str = ""
    begun: int = 0
    step: Step = Step.NONE
    _changes: SimpleQueue[Change] = field(default_factory=SimpleQueue)
    _check: ImageCheck = field(default_factory=ImageCheck)

    @property
    def is_under_way(self) -> bool:
        """Whether a change is being answered."""
        return self.step is not Step.NONE or self.reload.is_under_way

    @property
    def refusal(self) -> str:
        """Why the last change was refused, "" when it was not."""
        return self.refused_because or self.reload.refused_because

    @property
    def progress(self) -> str:
        """How far the last answer has come, for the registry: ``3 going``, ``3 done``, ``3 refused SyntaxError: …``."""
        if self.is_under_way:
            return f"{self.begun} going"
        return f"{self.begun} refused {self.refusal}" if self.refusal else f"{self.begun} done"

    def heard_change(self, change: Change) -> None:
        """Note a change; called by the watcher's thread."""
        self._changes.put(change)
        self.wake()

    def abandon(self) -> None:
        """Forget what is under way: the daemon ends."""
        self.step = Step.NONE
        self.reload.abandon()
        self._check.end()
        self.host_lock.give_back()

    def children(self) -> set[int]:
        """Return the processes that were started here and are not waited for yet."""
        return self._check.children

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
                self.files.keep(self.reload.workers)
        return Step.NONE

    def _hear_changes(self) -> None:
        paths: list[str] = []
        while not self._changes.empty():
            paths += self._changes.get().paths
        if paths and self.step is not Step.EXEC:
            more = len(paths) - _SHOWN_PATHS
            shown = ", ".join(paths[:_SHOWN_PATHS]) + (f" and {more} more" if more > 0 else "")
            log.event("source.changed", paths=shown)
            self.begin()

    def begin(self) -> None:
        """Answer a change, or HUP without one. In the middle of an earlier answer: start over."""
        self._check.end()
        self.begun += 1
        self.refused_because = ""
        self.files.follow_links()
        try:
            is_own = self.files.has_new_image() or self.settings_changed()
        except ValueError as error:
            return self._refuse(str(error))
        if is_own:
            return self._start_check()
        if self.step is Step.RELOADING:
            return self.reload.begin()  # the new code has become old meanwhile
        self.step = Step.WAITING_FOR_RELOAD
        return None

    def _start_check(self) -> None:
        if refusal := self._check.start(self.files.release):
            return self._refuse(refusal)
        self.step = Step.CHECKING
        return None

    def _look_at_check(self) -> None:
        verdict = self._check.verdict()
        if verdict:
            self._refuse(verdict)
        elif verdict is not None:
            self.step = Step.WAITING_FOR_EXEC

    def _refuse(self, reason: str) -> None:
        if self.reload.is_under_way and self.host_lock.is_held:
            self.step = Step.RELOADING  # one that began before this change goes on
        else:
            self.step = Step.NONE
            self.host_lock.give_back()
        self.refused_because = visible(reason, limit=500)
        log.event("reload.refused", level=log.ERROR, error=reason)
