"""Hears what workers tell of their queues, and has them tell it as long as somebody reads; see `calls.tail`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from jqjobs.errors import StoreError
from jqjobs.store import keys
from jqjobs.store.calls.tail import LISTEN_MS, Told, heard, listen
from jqjobs.store.reply_values import text
from jqjobs.store.store import Store
from jqjobs.store.wire import Wire

#: So often it is said anew that somebody listens, and looked which queues there are.
_LISTEN_EVERY_S = LISTEN_MS / 1000 / 4


class TailReader:
    """Reads messages over a connection of its own. ``queues``: returns to which to listen, asked again and again.

    After an error the next `read` begins anew. ``lost``: events that were told and did not arrive, so far.
    """

    def __init__(self, store: Store, queues: Callable[[], Sequence[str]]) -> None:
        self.lost = 0
        self._store = store
        self._queues = queues
        self._wire = Wire(store.address, name="jqctl-tail")
        #: Channel → queue.
        self._channels: dict[str, str] = {}
        self._listens_at_s = 0.0
        #: By queue and sender: the number of the event that should come next.
        self._next: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Drop the connection; workers go on telling for some seconds."""
        self._wire.close()

    def read(self, wait_s: float) -> Iterator[Told]:
        """Return what has arrived within ``wait_s``; maybe nothing. Raises: StoreError and its kinds."""
        self._listen()
        if not self._channels:  # no queue yet, so nothing can arrive
            time.sleep(wait_s)
            return
        for reply in self._wire.arrived(wait_s):
            if isinstance(reply, StoreError):
                raise reply
            if isinstance(reply, list) and reply[0] == b"message" and text(reply[1]) in self._channels:
                queue = self._channels[text(reply[1])]
                told = heard(queue, reply[2])
                self._count_lost(queue, told)
                yield told

    def _listen(self) -> None:
        """Say that somebody listens, if that was not said just now, to new queues too."""
        if not self._wire.connected:
            self._channels, self._listens_at_s = {}, 0.0
        if time.monotonic() < self._listens_at_s:
            return
        queues = self._queues()
        channels = {self._store.address.key(keys.tail(queue)): queue for queue in queues}
        if new := sorted(channels.keys() - self._channels.keys()):
            self._wire.send(("SUBSCRIBE", *new))
            self._channels |= channels
        self._store.run_all([listen(queue) for queue in queues])
        self._listens_at_s = time.monotonic() + _LISTEN_EVERY_S

    def _count_lost(self, queue: str, told: Told) -> None:
        if told.sender:
            self.lost += max(0, told.first - self._next.get((queue, told.sender), told.first))
            self._next[queue, told.sender] = told.first + len(told.events)
