"""How far a command has got that goes through many jobs: a bar on stderr, in terminals, once it takes its time."""

from __future__ import annotations

import sys
import time
from typing import Any

#: What is done so soon needs no bar.
_PATIENCE_S = 1.0


class Progress:
    """A bar that is shown from the second second on; ``close`` ends its line."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr is not None and sys.stderr.isatty()
        self._since_s = time.monotonic()
        self._left: int | None = None
        self._bar: Any = None

    def show(self, left: int) -> None:
        """Say how much is still to be done. It may be more than before: then another part has begun."""
        if not self._is_seen or time.monotonic() < self._since_s + _PATIENCE_S:
            return
        if self._left is None or left > self._left:
            self.close()
            import click

            self._bar = click.progressbar(length=left, file=sys.stderr)
            self._bar.render_progress()
        else:
            self._bar.update(self._left - left)
        self._left = left

    def close(self) -> None:
        """End the line of the bar, if there is one."""
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None
