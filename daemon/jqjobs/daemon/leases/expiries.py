"""What expires by itself in Redis, after its clock was set back: it would stay for longer, by as much.

Redis keeps the moment at which a key expires, and no list of such keys. So the daemon that hears of it
(lua/beat.lua) walks through all keys once, some at a time, and shortens what is left to the most that its kind may
have: of a cluster, through those of each primary, and once more when others are primaries by then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jqjobs.base.clock import duration_ms
from jqjobs.errors import JqError, StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.reads.servers import THE_ONE, ask_servers, servers_of
from jqjobs.store.sentinels import Place
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

_STEP_KEYS = 1000
_HOUR_MS = 3_600_000
#: How long a key of a kind stays at most, ms, as the scripts set it.
MOST_MS = {
    "trip": 24 * _HOUR_MS, "catalog": 7 * 24 * _HOUR_MS, "minute": 2 * _HOUR_MS, "stats": 24 * _HOUR_MS,
    "recent": 24 * _HOUR_MS, "daemon": 10_000, "worker": 180_000, "control": 60_000, "answer": 60_000,
    "memory": _HOUR_MS, "roster": 7 * 24 * _HOUR_MS, "wakes": _HOUR_MS, "served": _HOUR_MS,
}  # fmt: skip
#: The times of starts outlive the window of their limit by this (lua/rules/limits/occupy.lua).
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
        #: Where the walk is, at each server that it has still to end at; and all that there were as it began.
        self._cursors: dict[Place, str] = {}
        self._servers: Sequence[Place] = ()
        self.are_walked = False

    def begin(self) -> None:
        """Walk from the first key on."""
        self.are_walked, self._servers = True, ()

    def step(self) -> None:
        """Look at the next keys. Raises: StoreError; who may not look gives up."""
        servers = servers_of(self._store)
        if servers != self._servers:
            self._servers, self._cursors = servers, dict.fromkeys(servers, "0")
        place, cursor = next(iter(self._cursors.items()))
        scan = ("SCAN", cursor, "MATCH", self._start + "{*", "COUNT", _STEP_KEYS)
        reply = ask_servers(self._store, [place], *scan)[place]
        if isinstance(reply, StoreUnavailable) and place != THE_ONE:
            self._go_on(place, "0")  # whoever takes its place is another server, and begins anew
            return
        if isinstance(reply, StoreError):
            self.are_walked = self.are_walked and not isinstance(reply, StoreRefused)
            raise reply
        self._shorten(reply[1])
        self._go_on(place, reply[0].decode())

    def _go_on(self, place: Place, cursor: str) -> None:
        self._cursors[place] = cursor
        if cursor == "0":
            del self._cursors[place]
        self.are_walked = bool(self._cursors)

    def _shorten(self, names: Sequence[bytes]) -> None:
        found = [(name, ms) for name in names if (ms := most_ms(self._without_prefix(name))) is not None]
        # Only where it shortens what is left (LT), and only of keys that expire at all (XX).
        raise_first(self._store.wire.pipeline([("PEXPIRE", name, ms, "XX", "LT") for name, ms in found]))

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
