"""Which nodes of a cluster did not answer a moment ago, and are not asked again for a while.

Whoever asks several has other things to do: one that stands still costs a timeout, however many queues are there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeVar

from jqjobs.errors import StoreBusy, StoreError, StoreUnavailable
from jqjobs.store import keys
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
        tag = call.keys[0].partition("{")[2].partition("}")[0]
        if (unasked := self.unasked(tag)) is not None:
            raise unasked
        try:
            answer = self._store.run(call)
        except StoreError as error:
            self.note(tag, error)
            raise
        self.note(tag, None)
        return answer

    @property
    def are_some(self) -> bool:
        """Whether any was silent when it was asked last."""
        return bool(self._until_s)

    def unasked(self, tag: str) -> NotAsked | None:
        """Return why the node that has the keys of a hash tag, a queue's name, is not asked yet; None: it may be."""
        if not self._until_s or (place := self._place(tag)) is None:
            return None
        if time.monotonic() >= self._until_s.get(place, 0.0):
            return None
        return NotAsked(f"Redis at {place[0]}:{place[1]} did not answer a moment ago, and is not asked yet again")

    def askable(self, queues: Sequence[str]) -> list[str]:
        """Return the queues whose nodes may be asked."""
        return [queue for queue in queues if self.unasked(queue) is None]

    def note(self, tag: str, error: StoreError | None) -> None:
        """Note what came of a call: who says that he is busy has answered."""
        if isinstance(error, NotAsked) or not (error or self._until_s) or (place := self._place(tag)) is None:
            return
        if isinstance(error, StoreUnavailable) and not isinstance(error, StoreBusy):
            self._until_s[place] = time.monotonic() + _PASSED_BY_S
        else:
            self._until_s.pop(place, None)

    def _place(self, tag: str) -> Place | None:
        nodes, key = self._store.wire, self._store.address.key(keys.meta(tag))
        return nodes.place_of(("EXISTS", key)) if isinstance(nodes, Nodes) else None
