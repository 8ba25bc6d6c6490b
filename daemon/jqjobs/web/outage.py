"""Remembers that Redis does not answer: one request at a time waits for it then, and all others are told at once.

Else each would wait for its own time-out, and whoever comes while all threads wait would get nothing at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from jqjobs.errors import StoreUnavailable

#: So long after a failure nobody asks.
PAUSE_S = 1.0


class Outage:
    """Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._error: StoreUnavailable | None = None
        self._since_s = 0.0
        self._is_asking = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Ask Redis in here. Raises: StoreUnavailable at once, while it is away and somebody asks already."""
        probes = self._enter()
        try:
            yield
        except StoreUnavailable as error:
            self._error, self._since_s = error, self._clock()
            raise
        else:
            self._error = None
        finally:
            if probes:
                self._is_asking = False

    def _enter(self) -> bool:
        """Return whether this request is the one that finds out if Redis is back."""
        with self._lock:
            error = self._error
            if error is None:
                return False
            if self._is_asking or self._clock() - self._since_s < PAUSE_S:
                raise StoreUnavailable(error.message, hint=error.hint)
            self._is_asking = True
            return True
