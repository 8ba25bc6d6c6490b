"""What expires by itself in Redis, after its clock was set back: it would stay for longer, by as much.

Redis keeps the moment at which a key expires, and no list of such keys. So the daemon that hears of it
(lua/register.lua) walks through all keys once, some at a time, and shortens what is left to the most that its kind may
have.
"""

from __future__ import annotations

import re

from jqjobs.base.clock import duration_ms
from jqjobs.errors import JqError, StoreRefused
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

_STEP_KEYS = 1000
_HOUR_MS = 3_600_000
#: How long a key of a kind stays at most, ms, as the scripts set it.
MOST_MS = {
    "trip": 24 * _HOUR_MS, "catalog": 7 * 24 * _HOUR_MS, "minute": 2 * _HOUR_MS, "stats": 24 * _HOUR_MS,
    "recent": 24 * _HOUR_MS, "daemon": 10_000, "worker": 10_000, "control": 60_000, "answer": 60_000,
    "memory": _HOUR_MS,
}  # fmt: skip
#: The times of starts outlive the window of their limit by this (lua/rules/limits/start.lua).
_SPARE_MS = 60_000
#: What was set aside (lua/rules/mend.lua).
_ASIDE, _ASIDE_MS = ":damaged", 7 * 24 * _HOUR_MS
#: A key without its prefix, as in `jqjobs.store.keys`.
_KIND = re.compile(r"\{[^}]*\}:(\w+)")


class Expiries:
    """One walk at a time; belongs to the lease thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._start = store.address.key("")
        self._cursor = ""

    @property
    def are_walked(self) -> bool:
        """Whether a walk has begun and not ended."""
        return self._cursor != ""

    def begin(self) -> None:
        """Walk from the first key on."""
        self._cursor = "0"

    def step(self) -> None:
        """Look at the next keys. Raises: StoreError; who may not look gives up."""
        try:
            reply = self._store.wire.call("SCAN", self._cursor, "MATCH", self._start + "{*", "COUNT", _STEP_KEYS)
        except StoreRefused:
            self._cursor = ""
            raise
        cursor, names = reply
        found = [(name, ms) for name in names if (ms := most_ms(self._without_prefix(name))) is not None]
        # Only where it shortens what is left (LT), and only of keys that expire at all (XX).
        raise_first(self._store.wire.pipeline([("PEXPIRE", name, ms, "XX", "LT") for name, ms in found]))
        self._cursor = "" if cursor == b"0" else cursor.decode()

    def _without_prefix(self, key: bytes) -> str:
        return key.decode("utf-8", "replace").removeprefix(self._start)


def most_ms(key: str) -> int | None:
    """Return how long a key, less its prefix, stays at most, ms; None where it never goes, or as asked."""
    kind = _KIND.match(key)
    if kind is None:
        return None
    if key.endswith(_ASIDE):
        return _ASIDE_MS
    return _limit_ms(key) if kind[1] == "limit" else MOST_MS.get(kind[1])


def _limit_ms(key: str) -> int | None:
    """Return the window of a rate limit and some more; its name ends in the window (`limits.limit_name`)."""
    try:
        return duration_ms(key.rpartition("/")[2]) + _SPARE_MS
    except JqError:  # a concurrency limit does not expire
        return None
