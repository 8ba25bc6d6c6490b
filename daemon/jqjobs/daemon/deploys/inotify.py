"""Tells when the kernel says that something stirred where the watched files lie: watchdog, on their directories.

It only makes `watcher` look earlier. What the kernel says is neither complete (watch limits, network
and overlay file systems) nor to the point (a touch, a temporary file), so nothing is decided by it. Whatever
goes wrong here is logged once, and this is off for good: then the watcher looks more often.

The methods are for the watcher's thread; watchdog's own threads do nothing but `dispatch`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from jqjobs.base import log

if TYPE_CHECKING:  # imported only when it is on: a megabyte
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

#: watchdog has a thread for each directory, of about 22 KiB.
_MOST_DIRECTORIES = 200


class InotifyWatch:
    """One per watcher. ``wake`` is called, in another thread, for the first thing that stirs since `take`.

    ``has_stirred``: whether there was one. ``is_on``: False once inotify has failed; ``failure``: why.
    """

    def __init__(self, wake: Callable[[], None], *, enabled: bool) -> None:
        self._wake = wake
        self.has_stirred = False
        self._names: frozenset[str] = frozenset()
        self._directories: dict[str, str] = {}
        self._observer: BaseObserver | None = None
        self.is_on = enabled
        self.failure = ""

    def take(self) -> bool:
        """Return whether something stirred, and forget it. To be called before looking at the files, not after."""
        stirred, self.has_stirred = self.has_stirred, False
        return stirred

    def cover(self, paths: Iterable[str], *, anew: bool = False) -> None:
        """Listen at the directories of these paths; ``anew``: at them alone, and as they are now.

        A watch stays with its directory when another one takes that path: so anew after every change.
        """
        if not self.is_on:
            return
        try:
            self._cover(list(paths), anew=anew)
        except Exception as error:  # limits of the kernel, no more threads, whatever watchdog raises
            self._give_up(str(error) or type(error).__name__)

    def _cover(self, paths: list[str], *, anew: bool) -> None:
        if anew and self._observer is not None:
            self._observer.unschedule_all()
            self._directories.clear()
        directories = {os.path.dirname(path) for path in paths}
        self._names = frozenset(os.path.basename(path) for path in [*paths, *directories])
        for directory in directories - self._directories.keys():
            self._listen_at(directory)

    def _listen_at(self, directory: str) -> None:
        # inotify would watch a symlink instead of the directory, and two paths of one directory need one watch.
        place = os.path.realpath(directory)
        if place not in self._directories.values():
            if not os.path.isdir(place):
                return  # not there now: tried again with the next change
            if len(set(self._directories.values())) >= _MOST_DIRECTORIES:
                raise OSError(f"more than {_MOST_DIRECTORIES} directories")
            try:
                self._schedule(place)
            except (FileNotFoundError, NotADirectoryError):
                return  # gone in between
        self._directories[directory] = place

    def _schedule(self, place: str) -> None:
        from watchdog import events
        from watchdog.observers import Observer

        if self._observer is None:
            logging.getLogger("watchdog").addHandler(logging.NullHandler())  # its threads have a last word to say
            observer = Observer()
            observer.start()
            self._observer = observer
        # Neither opened nor closed: whoever reads the files, this daemon and its workers too, would stir.
        kinds: list[type[FileSystemEvent]] = [
            events.FileModifiedEvent, events.FileCreatedEvent, events.FileDeletedEvent, events.FileMovedEvent,
            events.DirCreatedEvent, events.DirDeletedEvent, events.DirMovedEvent,
        ]  # fmt: skip
        self._observer.schedule(self, place, event_filter=kinds)  # type: ignore[arg-type]  # only dispatch is called

    def dispatch(self, event: FileSystemEvent) -> None:
        """Hear one event, in a thread of watchdog: only what bears the name of a watched file, or is a new module."""
        if not self.has_stirred and any(self._concerns(path) for path in (event.src_path, event.dest_path)):
            self.has_stirred = True
            self._wake()

    def _concerns(self, path: bytes | str) -> bool:
        name = os.path.basename(os.fsdecode(path))
        return name in self._names or name.endswith(".py")

    def _give_up(self, reason: str) -> None:
        log.event("watch.without_inotify", level=log.WARNING, reason=reason, hint="changes are noticed a little later")
        self.is_on, self.failure = False, reason
        self.close()

    def close(self) -> None:
        """End watchdog's threads, and close what they hold: an exec would inherit it."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()
