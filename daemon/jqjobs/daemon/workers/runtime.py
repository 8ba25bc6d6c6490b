"""The runtime directory: where the boards of all daemons of a user lie, apart for each Redis
and prefix.

Memory-backed where possible: a board is written for every job. A successor must find what a dead daemon
left, so the place depends on user and Redis only, not on the daemon's name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from jqjobs.errors import ConfigError
from jqjobs.store.address import Address


def runtime_directory(address: Address, chosen: str = "", environ: Mapping[str, str] = os.environ) -> Path:
    """Make and return the directory for boards of workers at ``address``.

    Order: ``chosen`` (--runtime-dir), systemd's RUNTIME_DIRECTORY, /dev/shm, XDG_RUNTIME_DIR, /tmp.
    Raises: ConfigError when it cannot be made or belongs to somebody else.
    """
    base = base_of_boards(chosen, environ)
    place = base / folder_of(address)
    try:
        for directory in (base, place):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_base(base)
        _check_owner(place)
        if not os.access(place, os.W_OK | os.X_OK):  # it was made before the file system was mounted read-only
            raise PermissionError(errno.EACCES, "it cannot be written to")
    except OSError as error:
        raise ConfigError(
            f"the runtime directory {place} cannot be used: {error.strerror}",
            hint="choose another with --runtime-dir",
        ) from error
    return place


def base_of_boards(chosen: str, environ: Mapping[str, str]) -> Path:
    """Return the directory that has the folders of each Redis."""
    return Path(chosen or environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or _default_base(environ))


def folder_of(address: Address) -> str:
    """Return what the folder of a Redis and prefix is called."""
    return hashlib.sha256(str(address).encode()).hexdigest()[:12]


def _default_base(environ: Mapping[str, str]) -> Path:
    name = f"jqjobs-{os.getuid()}"
    for candidate in ("/dev/shm", environ.get("XDG_RUNTIME_DIR", "")):
        if candidate and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate) / name
    return Path("/tmp") / name


def _check_base(base: Path) -> None:
    """Whoever owns the directory above ours could put another one in its place, with forged boards."""
    found = base.stat()
    if found.st_uid not in (0, os.getuid()) or (found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX):
        raise ConfigError(
            f"the runtime directory would lie in {base}, where others can replace it"
            f" (owner {found.st_uid}, mode {found.st_mode & 0o777:o})",
            hint="choose another with --runtime-dir",
        )


def _check_owner(place: Path) -> None:
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ConfigError(
            f"the runtime directory {place} is not ours alone (owner {found.st_uid}, mode {found.st_mode & 0o777:o})",
            hint="choose another with --runtime-dir",
        )
