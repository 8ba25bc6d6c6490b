"""Who ends an embedded server: the process that has the lock of DIR/owner."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jqjobs.base.file_lock import lock_file


@dataclass
class Ownership:
    """The ownership of the server of one directory, had by one living process at most."""

    directory: Path
    #: The open file DIR/owner with its lock, while this process has that.
    _lock: int | None = None

    @property
    def is_mine(self) -> bool:
        """Whether this process is the owner."""
        return self._lock is not None

    def claim(self) -> bool:
        """Become the owner unless one lives; return whether this process is. The kernel frees what a dead one had."""
        if self._lock is None:
            with suppress(OSError):
                self._lock = lock_file(self.directory / "owner")
        return self.is_mine

    def give_up(self) -> None:
        """Own the server no longer."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
