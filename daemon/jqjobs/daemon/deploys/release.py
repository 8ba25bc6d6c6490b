"""The directory a daemon runs in, as it was told: ``/srv/shop/current``, not the ``releases/1`` it leads to today.

os.getcwd() knows only the latter, and a daemon that executes itself anew there would load the old release again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jqjobs.daemon.deploys.fingerprints import link_target


@dataclass(frozen=True, slots=True)
class Release:
    """``directory``: absolute, unresolved. ``links``: the symlinks on the way there. ``real``: where that was."""

    directory: Path
    links: tuple[Path, ...]
    real: Path

    def refreshed(self) -> Release:
        """Return the same directory as its links lead now: to another release, maybe."""
        return resolve(self.directory)


def find_release(chosen: str, environ: Mapping[str, str], argv0: str, cwd: str) -> Release:
    """Return the release: ``chosen`` (--directory), else ``cwd`` by a way that leads through a symlink.

    Such a way is $PWD, when it is still true, or the way to the program: /srv/shop/current/.venv/bin/jqd.
    A relative ``chosen`` starts from ``cwd``.
    """
    if chosen:
        return resolve(Path(cwd, chosen))
    told = environ.get("PWD", "")
    if os.path.isabs(told) and _is_same(told, cwd):
        return resolve(Path(told))
    return resolve(_beside_program(argv0, cwd) or Path(cwd))


def resolve(directory: Path) -> Release:
    """Return the release at an absolute directory, as its links lead now."""
    return Release(directory, tuple(_links_to(directory, {})), Path(os.path.realpath(directory)))


def unresolved(path: str, release: Release) -> str:
    """Return a path that a worker reports by way of the release's directory, so that a swapped link shows.

    What lies elsewhere, in an older release for example, is returned as it is.
    """
    root = os.path.join(release.real, "")
    if path == str(release.real):
        return str(release.directory)
    return os.path.join(release.directory, path[len(root) :]) if path.startswith(root) else path


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def _beside_program(argv0: str, cwd: str) -> Path | None:
    """Return ``cwd`` as a way along the parents of the program, the longest that has it below; None without one."""
    if not os.path.isabs(argv0) or ".." in Path(argv0).parts:
        return None
    here = Path(os.path.realpath(cwd))
    for parent in Path(argv0).parents:
        real = os.path.realpath(parent)
        if here.is_relative_to(real):
            return parent / here.relative_to(real)
    return None


def _links_to(path: Path, found: dict[Path, None]) -> dict[Path, None]:
    """Add the symlinks among a path and its parents, and those that they lead through in turn."""
    for place in [*reversed(path.parents), path]:
        target = link_target(str(place))
        if target is not None and place not in found:
            found[place] = None
            _links_to(Path(os.path.realpath(place.parent), target), found)
    return found
