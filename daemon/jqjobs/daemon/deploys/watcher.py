"""Watches the source files in use, in a thread of its own: a file system that hangs holds up nobody else.

idle ──a look finds a difference──▶ settling ──nothing moved for a while──▶ contents compared ──▶ Change, once
  ▲ ◀────────it is undone───────────────┘ ▲───────it moved again─────────────────┘                  │
  └─────────────────────────────────────────────────────────────────────────────────────────────────┘

A look ("sweep") asks stat(2) for every file; inotify only makes it come earlier. What to do about a change is
decided by the main loop, which gets it from the ``on_change`` it gave.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jqjobs.base import log
from jqjobs.daemon.deploys.inotify import InotifyWatch
from jqjobs.daemon.deploys.snapshot import Look, Snapshot, Span

#: More files than this are not watched. An application has some thousands.
MOST_FILES = 20_000
#: A sweep is followed by a rest of so many times the CPU time it took: 0.5 % of a core, 5 % while settling.
_REST, _SETTLING_REST = 200, 20
#: Contents read in one turn.
_READ_AT_ONCE = 50
_AFTER_ERROR_S = 5.0
#: The clock of a file system may be ahead of ours by so much. What is later was written before our clock was set back.
_AHEAD_NS = 60 * 10**9
#: What stirs beside files that have changed, and rest, is waited for so long at most: it may never end.
_STIRS_FOR_S = 30.0


@dataclass(frozen=True, slots=True)
class Change:
    """Files and links that are not what they were when they were last loaded."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between sweeps with inotify, and without; nothing moves for so long; between sweeps until then."""

    sweep_s: float = 10.0
    poll_s: float = 2.5
    settle_s: float = 2.0
    settling_s: float = 0.3


class SourceWatcher(threading.Thread):
    """One per daemon. ``mode``: auto, or poll for sweeps alone. ``cpu`` tells CPU seconds of this thread."""

    def __init__(
        self,
        on_change: Callable[[Change], None],
        *,
        mode: str = "auto",
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        super().__init__(name="jqjobs-watch", daemon=True)
        self._on_change = on_change
        self._pace = pace or Pace()
        self._clock = clock
        self._cpu = cpu
        self._ending = threading.Event()
        self._nudge = threading.Event()
        self._inotify = InotifyWatch(self._nudge.set, enabled=mode == "auto")
        self._snapshot = Snapshot(self._ending)
        self._lock = threading.Lock()  # held for moments only, never while a file system is asked
        self._files: set[str] = set()
        self._links: set[str] = set()
        self._loading_ns: dict[str, Span] = {}
        self._is_news = False
        self._said_full = False
        self._differing: dict[str, Look] = {}
        self._moved_s = self._differing_since_s = 0.0
        self._swept_s = clock()
        self._costs_s: deque[float] = deque([0.0], maxlen=2)

    def watch(self, paths: Iterable[str], loaded_since_ns: int | None = None) -> None:
        """Watch files, absent ones too: how they look in a moment is how they were loaded. Known ones are free.

        ``loaded_since_ns``: they were loaded after that moment of the epoch; nobody knows whether before or after what
        was written to them since, so that is a change.
        """
        self._ask(self._files, paths, loaded_since_ns)

    def watch_links(self, paths: Iterable[str]) -> None:
        """Watch where symlinks point to: another target is a change, whatever lies there."""
        self._ask(self._links, paths)

    def keep(self, paths: Iterable[str]) -> None:
        """Watch these files and no others any more; links stay. For the end of a reload."""
        kept = set(paths)
        with self._lock:
            self._files &= kept
            self._is_news = True
        self.watch(kept)

    def end(self, timeout_s: float = 1.0) -> None:
        """End the thread, and wait for it; not for one that a file system holds."""
        self._ending.set()
        self._nudge.set()
        if self.is_alive():
            self.join(timeout_s)

    @property
    def inotify_failure(self) -> str:
        """Why inotify does not help any more, "" while it does or was never asked to."""
        return self._inotify.failure

    def _ask(self, kind: set[str], paths: Iterable[str], loaded_since_ns: int | None = None) -> None:
        with self._lock:
            new = set(paths) - kind
            if len(self._files) + len(self._links) + len(new) > MOST_FILES:
                return self._say_full()
            kind |= new
            if loaded_since_ns is not None:
                self._loading_ns |= dict.fromkeys(new, (loaded_since_ns, time.time_ns() + _AHEAD_NS))
            self._is_news = self._is_news or bool(new)
        return self._nudge.set() if new else None

    def _say_full(self) -> None:
        if not self._said_full:
            log.event("watch.full", level=log.WARNING, files=MOST_FILES, hint="what was loaded since is not watched")
        self._said_full = True

    def run(self) -> None:
        """Watch until `end`."""
        pause_s = 0.0
        while not self._ending.is_set():
            self._nudge.wait(pause_s)
            self._nudge.clear()
            try:
                pause_s = self.turn()
            except Exception:
                log.event("watch.error", level=log.CRITICAL, exc_info=True)
                self._swept_s = self._clock()
                pause_s = _AFTER_ERROR_S
        self._inotify.close()

    def turn(self) -> float:
        """Do what is due; return how many seconds there is nothing to do. The thread does only this."""
        self._take_paths()
        if self._snapshot.read_some(_READ_AT_ONCE):
            return 0.0
        if self._clock() >= self._due_s():
            self._sweep()
        return max(0.0, self._due_s() - self._clock())

    def _take_paths(self) -> None:
        with self._lock:
            if not self._is_news:
                return
            files, links, self._is_news = set(self._files), set(self._links), False
            loading_ns, self._loading_ns = self._loading_ns, {}
        self._snapshot.forget_all_but(files | links)
        self._snapshot.add_links(sorted(links))
        self._snapshot.add_files(sorted(files), loading_ns)
        self._inotify.cover(self._snapshot.paths())

    def _due_s(self) -> float:
        cost_s = min(self._costs_s)  # of two: the first sweep after a pause reads the disk
        if self._differing:
            return self._swept_s + max(self._pace.settling_s, _SETTLING_REST * cost_s)
        period_s = self._pace.sweep_s if self._inotify.is_on else self._pace.poll_s
        return self._swept_s + max(0.0 if self._inotify.has_stirred else period_s, _REST * cost_s)

    def _sweep(self) -> None:
        stirred = self._inotify.take()
        began_s = self._cpu()
        differing = self._snapshot.differing()
        self._costs_s.append(self._cpu() - began_s)
        self._swept_s = self._clock()
        if differing != self._differing:
            self._differing, self._moved_s, self._differing_since_s = differing, self._swept_s, self._swept_s
        elif stirred and self._swept_s - self._differing_since_s < _STIRS_FOR_S:
            self._moved_s = self._swept_s  # by new modules, say, which no sweep knows
        elif differing and self._swept_s - self._moved_s >= self._pace.settle_s:
            self._judge(differing)

    def _judge(self, differing: dict[str, Look]) -> None:
        changed = self._snapshot.accept(differing)
        if changed is None:
            self._moved_s = self._clock()
            return
        self._differing = {}
        self._inotify.cover(self._snapshot.paths(), anew=True)
        if changed:
            self._on_change(Change(changed))
