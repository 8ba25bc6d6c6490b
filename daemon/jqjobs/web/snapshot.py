"""What all pages show of the whole: read at most once a second, and a tenth of the time, however many look."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")

#: A snapshot is good for so long, and for so many times as long as it took to read.
FRESH_S, REST = 1.0, 9.0


class Shared(Generic[T]):
    """Reads when it is asked and what it has is too old; who comes meanwhile waits and gets the same, an error too.

    ``read``: gets what was read before, None at first.
    """

    def __init__(self, read: Callable[[T | None], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = Lock()
        self._found: T | None = None
        self._look: Future[T] | None = None
        self._stale_s = 0.0

    def get(self) -> T:
        """Return it. Raises: what ``read`` raises; nothing old is shown then."""
        with self._lock:
            look = self._look
            is_mine = look is None or (look.done() and self._clock() >= self._stale_s)
            if look is None or is_mine:
                look = self._look = Future()
        if is_mine:
            self._do(look)
        return look.result()

    def _do(self, look: Future[T]) -> None:
        began_s = self._clock()
        try:
            self._found = self._read(self._found)
        except BaseException as error:
            self._stale_s = self._clock() + FRESH_S
            look.set_exception(error)
        else:
            ended_s = self._clock()
            self._stale_s = ended_s + max(FRESH_S, REST * (ended_s - began_s))
            look.set_result(self._found)
