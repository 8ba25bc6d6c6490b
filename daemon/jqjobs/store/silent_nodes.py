"""Runs steps that go to several nodes of a cluster: one that did not answer is not asked again for a while.

Whoever brings away what has left a queue has other things to do: a node that stands still costs it one timeout, however
many queues are there.
"""

from __future__ import annotations

import time
from typing import TypeVar

from jqjobs.errors import StoreBusy, StoreUnavailable
from jqjobs.store.call import Call
from jqjobs.store.nodes import Nodes
from jqjobs.store.sentinels import Place
from jqjobs.store.steps import NotAsked
from jqjobs.store.store import Store

T = TypeVar("T")
#: So long a node is passed by. What goes there waits as long once it is back; its successor is asked at once.
_PASSED_BY_S = 5.0


class SilentNodes:
    """As one connection finds them. Another Redis than a cluster is asked each time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._until_s: dict[Place, float] = {}

    def run(self, call: Call[T]) -> T:
        """Run a call. Raises: NotAsked; what `Store.run` raises."""
        place = self._place(call)
        if place is None:
            return self._store.run(call)
        if time.monotonic() < self._until_s.get(place, 0.0):
            raise NotAsked(f"Redis at {place[0]}:{place[1]} did not answer a moment ago, and is not asked yet again")
        try:
            return self._store.run(call)
        except StoreBusy:  # an answer, and a quick one
            raise
        except StoreUnavailable:
            self._until_s[place] = time.monotonic() + _PASSED_BY_S
            raise

    def _place(self, call: Call[T]) -> Place | None:
        nodes = self._store.wire
        return nodes.place_of(self._store.command(call)) if isinstance(nodes, Nodes) else None
