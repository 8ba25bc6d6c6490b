"""Looks whether a connection is of any use before something goes over it that must not be sent twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from jqjobs.errors import StoreError
from jqjobs.store.wire import Wire, pack

#: Who has been idle for longer is asked first: what stands between drops connections without a word.
PING_AFTER_S = 30.0
#: So long the answer may take.
PING_PATIENCE_S = 1.0
PING = pack(("PING",))


class Looked(Protocol):
    """One connection, or several that are used together."""

    looked_s: float

    @property
    def connections(self) -> Sequence[Wire]:
        """All of them."""
        ...


def freshen(wire: Looked, in_use_s: float = 0.0) -> None:
    """Drop a connection that has ended. ``in_use_s``: not if it was looked at so recently.

    One that has ended can be read from: its end, with nothing asked for.
    """
    now_s = time.monotonic()
    idle_s, wire.looked_s = now_s - wire.looked_s, now_s
    if idle_s < in_use_s:
        return
    for each in wire.connections:
        if each.connected and (each.poll(0) or (idle_s > PING_AFTER_S and not _answers_ping(each))):
            each.close()


def _answers_ping(wire: Wire) -> bool:
    with wire.whole:
        try:
            wire.send(("PING",))
            return wire.poll(PING_PATIENCE_S) and wire.reply() is not None
        except StoreError:
            return False
