"""A lock that one process has at a time, on a file: the kernel frees it when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def lock_file(path: Path) -> int:
    """Return a descriptor that holds the lock until it is closed, in each process that inherits it.

    Raises: BlockingIOError when another process has it; OSError where there can be no file, or no lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
