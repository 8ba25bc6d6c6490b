"""What the files in use looked like when they were last loaded, and which of them look different now.

Knows nothing of time: `watcher` says when to look, in its thread; nobody else calls it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from jqjobs.daemon.deploys.fingerprints import Fingerprint, digest, fingerprint, link_target

#: Of a file its fingerprint, of a link its target.
Look = Fingerprint | str | None
#: From when until when, ns since the epoch.
Span = tuple[int, int]
#: Of a file that was written while it was being loaded: nothing looks like this.
_UNKNOWN = "unknown"


@dataclass(slots=True)
class _Known:
    """``digest`` b"": content unknown, so every other look is a change."""

    see: Callable[[str], Look]
    look: Look
    digest: bytes = b""


class Snapshot:
    """Files and links by path. Once ``ending`` is set every walk over them stops where it is."""

    def __init__(self, ending: threading.Event) -> None:
        self._ending = ending
        self._known: dict[str, _Known] = {}
        self._unread: list[str] = []

    def paths(self) -> Collection[str]:
        """Return everything that is looked at."""
        return self._known.keys()

    def add_files(self, paths: Iterable[str], loading_ns: Mapping[str, Span] | None = None) -> None:
        """Take files as they look now; their content is read by `read_some`.

        ``loading_ns``: of those that are being loaded, between which moments of the epoch. What was written then
        differs.
        """
        for path in self._add(paths, fingerprint):
            known, loading = self._known[path], (loading_ns or {}).get(path)
            if loading and isinstance(known.look, Fingerprint) and loading[0] <= known.look.ctime_ns <= loading[1]:
                known.look = _UNKNOWN
            else:
                self._unread.append(path)

    def add_links(self, paths: Iterable[str]) -> None:
        """Take symlinks as they point now."""
        for _ in self._add(paths, link_target):
            pass

    def _add(self, paths: Iterable[str], see: Callable[[str], Look]) -> Iterable[str]:
        for path in paths:
            if self._ending.is_set():
                return
            if path not in self._known:
                self._known[path] = _Known(see, see(path))
                yield path

    def forget_all_but(self, paths: Collection[str]) -> None:
        """Look no longer at anything else."""
        self._known = {path: known for path, known in self._known.items() if path in paths}

    def read_some(self, most: int) -> bool:
        """Read the content of up to ``most`` new files; True when there are more."""
        chunk, self._unread = self._unread[:most], self._unread[most:]
        for path in chunk:
            known = self._known.get(path)
            if self._ending.is_set() or known is None:
                continue
            content = digest(path)
            # Written to since it was added: the content that was loaded is not known any more.
            known.digest = content if known.see(path) == known.look else b""
        return bool(self._unread)

    def differing(self) -> dict[str, Look]:
        """Return what looks different from when it was taken, as it looks now."""
        found: dict[str, Look] = {}
        for path, known in self._known.items():
            if self._ending.is_set():
                break
            look = known.see(path)
            if look != known.look:
                found[path] = look
        return found

    def accept(self, differing: dict[str, Look]) -> tuple[str, ...] | None:
        """Take these looks as the new ones to compare with; return the paths whose content or target is another.

        None, and nothing is accepted, when something moved while the contents were read.
        """
        contents: dict[str, bytes] = {}
        for path in differing:
            if self._ending.is_set():
                return None
            contents[path] = digest(path) if self._known[path].see is fingerprint else b""
        if self.differing() != differing:
            return None
        changed = tuple(path for path in differing if not self._has_content(path, contents[path]))
        for path, look in differing.items():
            self._known[path] = _Known(self._known[path].see, look, contents[path])
        return changed

    def _has_content(self, path: str, content: bytes) -> bool:
        return content != b"" and content == self._known[path].digest
