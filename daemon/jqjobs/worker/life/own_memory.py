"""Before a take: is this worker still as large as it may be?

The daemon measures and decides (daemon/memory/guard.py); here only the own size is compared with the allowance on
the board, for one read of a file that is open already: about 2 µs a take.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

from jqjobs.base.clock import monotonic_ms
from jqjobs.link.channel import Channel
from jqjobs.link.worker_board import WorkerBoard

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: After growing by this much it is worth asking the allocator to give back what is free inside.
_TRIM_AFTER_BYTES = 64 << 20
_ASK_EVERY_MS = 500


class OwnMemory:
    """One per worker, used by its loop."""

    def __init__(self, board: WorkerBoard, channel: Channel) -> None:
        self._board = board
        self._channel = channel
        self._statm = _open_statm()
        self._trimmed_at_bytes = self._rss_bytes()
        self._ask_again_ms = 0

    def may_take(self) -> bool:
        """Return whether to take jobs now; if not, the daemon is asked to look, and says when it has found room."""
        allowance = self._board.allowance_bytes
        rss = self._rss_bytes()
        self._trimmed_at_bytes = min(self._trimmed_at_bytes, rss)
        if rss - self._trimmed_at_bytes > _TRIM_AFTER_BYTES or (allowance and rss >= allowance):
            rss = self._trim()
        if not allowance or rss < allowance:
            return True
        if (now_ms := monotonic_ms()) >= self._ask_again_ms:
            self._ask_again_ms = now_ms + _ASK_EVERY_MS
            self._channel.send("memory")
        return False

    def _trim(self) -> int:
        """Give free memory of the allocator back to the system: 204 → 28 MiB was seen after one large job."""
        _malloc_trim()(0)
        self._trimmed_at_bytes = rss = self._rss_bytes()
        return rss

    def _rss_bytes(self) -> int:
        if self._statm is None:
            return 0
        return int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE_BYTES


def _open_statm() -> int | None:
    try:
        return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # not Linux: nobody sets an allowance there either


@cache
def _malloc_trim() -> Callable[[int], object]:
    """Return malloc_trim(3) of glibc, or a function that does nothing where there is none."""
    import ctypes  # only when there is something to trim

    try:
        function: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return lambda _: None
    return function
