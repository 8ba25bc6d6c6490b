"""Waiting in tests: for a condition, never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: How long to wait for what comes within a second or two: where others take the processors, a worker's boot took 13 s.
PATIENCE_S = 60.0

#: Seconds between two looks.
_POLL_S = 0.02


def eventually(predicate: Callable[[], T], timeout_s: float = PATIENCE_S, what: str = "") -> T:
    """Return `predicate()` as soon as it is true.

    An AssertionError inside the predicate counts as "not yet"; the last one is shown when time is up.

    Raises:
        AssertionError: it did not become true within `timeout_s`; names `what` and the last value seen.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        seen: object
        try:
            if seen := predicate():
                return seen
        except AssertionError as error:
            seen = error
        if time.monotonic() > deadline:
            name = what or getattr(predicate, "__name__", "it")
            raise AssertionError(f"not within {timeout_s} s: {name} (last seen: {seen!r})")
        time.sleep(_POLL_S)
