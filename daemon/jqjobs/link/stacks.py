"""Stacks of a worker's threads, collected from outside: for a job that hangs, also with the GIL held.

The worker registers a signal with faulthandler, whose handler writes in C to a file that is open already;
the daemon sends the signal and reads the file, which lies beside the worker's board.
"""

from __future__ import annotations

import faulthandler
import signal
from pathlib import Path
from types import FrameType

#: faulthandler needs the real file object alive for as long as the signal may come.
DUMP_SIGNAL = signal.SIGUSR1
_MOST_CHARS = 16 * 1024


def stacks_path(board: Path) -> Path:
    """Return where the worker of that board writes its stacks."""
    return board.with_suffix(".stacks")


class Stacks:
    """A worker's side: has `DUMP_SIGNAL` write the stacks of all threads beside its board; made first of all."""

    signal = DUMP_SIGNAL

    def __init__(self, board: Path) -> None:
        self._file = stacks_path(board).open("ab", buffering=0)  # append: the daemon may empty it at any time
        self.keep_signal()

    def keep_signal(self, *, is_touched: bool = False) -> None:
        """Take the signal, if somebody else has it. ``is_touched``: faulthandler may have been asked for it."""
        # faulthandler's handler is not one of Python's, who says the last one of those: ours, as long as it is theirs.
        if is_touched or signal.getsignal(DUMP_SIGNAL) is not _never_called:
            faulthandler.unregister(DUMP_SIGNAL)
            signal.signal(DUMP_SIGNAL, _never_called)
            faulthandler.register(DUMP_SIGNAL, file=self._file, all_threads=True, chain=False)


def _never_called(signum: int, frame: FrameType | None) -> None:
    """Stand in Python's table of handlers, in the place of the one of faulthandler."""


def clear_stacks(board: Path) -> None:
    """Empty the file before asking for new stacks."""
    try:
        with stacks_path(board).open("r+b") as file:
            file.truncate()
    except OSError:  # it is not there, or no descriptor is left
        return


def read_stacks(board: Path) -> str:
    """Return what was written, at most 16 KiB of it; "" when nothing was.

    The thread that took the signal comes first: it is the main thread, where jobs run, and faulthandler writes
    it last, where it would be cut off.
    """
    try:
        text = stacks_path(board).read_text("utf-8", "backslashreplace")
    except OSError:
        return ""
    threads = sorted(text.strip().split("\n\n"), key=lambda thread: not thread.startswith("Current thread"))
    return "\n\n".join(threads)[:_MOST_CHARS]
