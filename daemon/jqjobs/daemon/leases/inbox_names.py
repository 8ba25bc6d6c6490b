"""Looks for inboxes that nobody has told of, once a minute: who pushes an envelope into a new queue may leave out SADD.

Redis has no list of keys by their kind, so all of them are walked through, some at each look: of a cluster, those of
each primary.
"""

from __future__ import annotations

import re
import time

from jqjobs.link.queue_choice import QueueChoice
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.reads.servers import ask_servers, servers_of
from jqjobs.store.sentinels import Place
from jqjobs.store.store import Store
from jqjobs.store.wire import raised

_EVERY_S = 60.0
#: One look: so many calls, of so many keys each.
_CALLS, _KEYS = 20, 1000
#: Not of partitions: these are known.
_INBOX = re.compile(r"\{([^{}~]*)\}:inbox")


class InboxNames:
    """One per daemon with patterns; what it finds it adds to the known queues."""

    def __init__(self, store: Store, choice: QueueChoice) -> None:
        self._store = store
        self._choice = choice
        self._start = store.address.key("")
        #: Where the walk is, at each server that it has still to end at.
        self._cursors: dict[Place, str] = {}
        self._next_s = 0.0

    def look(self) -> None:
        """Go on with the walk, or begin the next one when that is due. Raises: StoreError."""
        if not self._cursors:
            if time.monotonic() < self._next_s:
                return
            self._next_s = time.monotonic() + _EVERY_S
            self._cursors = dict.fromkeys(servers_of(self._store), "0")
        found: set[str] = set()
        for _ in range(_CALLS):
            if self._cursors:
                found.update(self._step())
        if found:
            self._store.run(add_queues(sorted(found)))

    def _step(self) -> list[str]:
        place, cursor = self._cursors.popitem()  # who cannot be asked is left out this time
        scan = ("SCAN", cursor, "MATCH", self._start + "{*}:inbox", "COUNT", _KEYS)
        cursor, names = raised(ask_servers(self._store, [place], *scan)[place])
        if cursor != b"0":
            self._cursors[place] = cursor.decode()
        keys = [name.decode("utf-8", "replace").removeprefix(self._start) for name in names]
        queues = [match[1] for key in keys if (match := _INBOX.fullmatch(key))]
        return [queue for queue in queues if self._choice.has_turns(queue)]
