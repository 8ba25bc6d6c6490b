"""What people can tell a daemon while it runs, by a signal (`signals`) or with `jqctl daemon` (`control`)."""

from __future__ import annotations

from dataclasses import dataclass

from jqjobs.daemon.deploys.source_changes import SourceChanges
from jqjobs.daemon.ending import Ending
from jqjobs.daemon.notify import Notifier
from jqjobs.daemon.shown_state import ShownState
from jqjobs.daemon.worker_lifecycle import WorkerLifecycle
from jqjobs.daemon.workers.dumps import Dumps, Reader
from jqjobs.link.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Controls:
    """One per daemon, used by its main loop."""

    lifecycle: WorkerLifecycle
    source_changes: SourceChanges
    dumps: Dumps
    ending: Ending
    notifier: Notifier
    shown_state: ShownState

    @property
    def state(self) -> str:
        """The daemon's state, as `jqctl status` is about to show it."""
        return self.shown_state.look()[0]

    @property
    def wanted(self) -> int:
        """How many workers there should be."""
        return self.lifecycle.wanted

    def resize(self, count: int) -> int:
        """Have so many workers from now on, at least one; return the number."""
        return self.lifecycle.size.scale(Bounds.fixed(count))

    def follow_load(self, bounds: Bounds) -> int:
        """Have as many workers as the jobs call for, within bounds; return how many that is now."""
        return self.lifecycle.size.scale(bounds)

    def quiet(self) -> None:
        """Take no new jobs until `resume`."""
        self.lifecycle.set_quiet(is_quiet=True)

    def resume(self) -> None:
        """Take jobs again, unless it is about to end: systemd sends a CONT right after its TERM."""
        if not self.ending.is_under_way or self.ending.wants_exec:
            self.lifecycle.set_quiet(is_quiet=False)

    def reload(self) -> int:
        """Replace the workers one by one, and the daemon too when jqjobs or its settings have changed.

        Return which reload of this daemon it is: the registry tells how far that has come.
        """
        if not self.ending.is_under_way:
            self.notifier.reloading()
            self.source_changes.begin()
        return self.source_changes.begun

    def dump(self, reader: Reader | None = None) -> None:
        """Have the stacks of all workers written down; they go to ``reader`` a moment later, or into the log."""
        self.dumps.ask(reader)

    def drain(self) -> None:
        """Take no new jobs, let the running ones finish within the grace period, end."""
        self.ending.drain()

    def stop_now(self) -> None:
        """Interrupt the running jobs, give them back, end."""
        self.ending.stop_now()
