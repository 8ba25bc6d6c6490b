"""What a file looks like from outside, and what is in it: how `snapshot` tells whether it changed.

Looks are compared with ``!=`` only: a rollback brings older times, a restored backup smaller inodes. Whoever copies can
set the time of the content (``cp -p``, reproducible builds), but not that of the inode.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

#: Content is compared up to this size; of a larger file the fingerprint alone decides.
_LARGEST_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_DIGEST_BYTES = 16


class Fingerprint(NamedTuple):
    """A file as stat(2) shows it. A plain tuple: thousands are made and compared in one sweep."""

    mtime_ns: int
    ctime_ns: int
    size: int
    inode: int
    device: int


def fingerprint(path: str) -> Fingerprint | None:
    """Return the fingerprint of what ``path`` leads to, links followed; None when it is absent or out of reach."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return Fingerprint(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)


def digest(path: str) -> bytes:
    """Return a digest of the content; b"" when it cannot be read, is no plain file, or is larger than 16 MiB."""
    try:
        # O_NONBLOCK: whoever opens a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError):
        return b""
    try:
        return _digest_of(descriptor)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _digest_of(descriptor: int) -> bytes:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_BYTES:
        return b""
    summary = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    left = _LARGEST_BYTES  # it may grow while it is read
    while left > 0 and (chunk := os.read(descriptor, _CHUNK_BYTES)):
        summary.update(chunk)
        left -= len(chunk)
    return summary.digest()


def link_target(path: str) -> str | None:
    """Return what the symlink says, unresolved; None when ``path`` is no symlink, absent or out of reach."""
    try:
        return os.readlink(path)
    except (OSError, ValueError):
        return None
