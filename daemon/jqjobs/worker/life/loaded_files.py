"""Which source files this worker has loaded, told to the daemon as they are imported: it watches them for changes.

The app's own files only: what lies in the standard library or in site-packages changes with an installation, and is
left out unless asked for. Nothing is read or hashed here.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from jqjobs.link.channel import Channel

#: Paths in one message, so that no line gets long.
_MOST_PATHS = 500


class LoadedFiles:
    """The files that were reported. ``packages``: report site-packages too."""

    def __init__(self, *, packages: bool = False) -> None:
        self._packages = packages
        self._seen: set[str] = set()
        self._modules = 0
        #: When all that is loaded was told; what is told next was loaded since.
        self._told_ns = time.time_ns()
        self._elsewhere = tuple(_library_roots())

    def report(self, channel: Channel) -> None:
        """Tell the daemon of files loaded since the last call; costs nothing while none were."""
        now_ns = time.time_ns()
        if len(sys.modules) != self._modules:
            self._modules = len(sys.modules)
            self._tell(channel, _module_files())
        self._told_ns = now_ns

    def report_failure(self, channel: Channel, error: BaseException) -> None:
        """Tell the daemon what the app failed to load with: a change there is a reason to try again.

        What is missing may be installed, so its places are told wherever they are.
        """
        self._tell(channel, [*_module_files(), *_files_of(error)])
        self._tell(channel, _places_of_missing(error), is_wanted=os.path.isabs)

    def _tell(self, channel: Channel, paths: Iterable[str], is_wanted: Callable[[str], bool] | None = None) -> None:
        found = [path for path in dict.fromkeys(paths) if path not in self._seen]
        self._seen.update(found)
        new = list(filter(is_wanted or self._is_source, found))
        for start in range(0, len(new), _MOST_PATHS):
            part = new[start : start + _MOST_PATHS]
            channel.send("files", paths=part, since_ns=self._told_ns, until_ns=time.time_ns())

    def _is_source(self, path: str) -> bool:
        parts = path.split(os.sep)
        if "site-packages" in parts or "dist-packages" in parts:
            return self._packages
        return os.path.isabs(path) and not path.startswith(self._elsewhere)


def _library_roots() -> list[str]:
    own = str(Path(os.path.abspath(__file__)).parents[2])  # jqjobs itself: the daemon watches its own copy
    library = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return [os.path.join(root, "") for root in (own, *library)]


def _module_files() -> list[str]:
    return [path for path in map(_file_of, list(sys.modules.values())) if isinstance(path, str)]


def _file_of(module: Any) -> Any:
    """Return the file of a module, or the zip archive that it lies in; None or anything where it says so."""
    archive = getattr(getattr(module, "__loader__", None), "archive", None)  # no file system knows its parts
    return archive or getattr(module, "__file__", None)


def _files_of(error: BaseException) -> Iterator[str]:
    """Yield the files that an error points to."""
    for frame in traceback.extract_tb(error.__traceback__):
        yield frame.filename
    if isinstance(error, SyntaxError) and error.filename:
        yield error.filename


def _places_of_missing(error: BaseException) -> Iterator[str]:
    """Yield where the module would be whose absence an error is about."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        package, _, name = error.name.rpartition(".")
        roots = getattr(sys.modules.get(package), "__path__", ()) if package else sys.path
        for root in roots:
            yield os.path.join(os.path.abspath(root), f"{name}.py")
            yield os.path.join(os.path.abspath(root), name, "__init__.py")
