"""How a job ended, for those who wait for it: the question (lua/result.lua), and the channel that says when to ask.

Whoever asks about a job that has not ended marks it as awaited; its end is then published, once. A message
may be lost with its connection, so it is only a hint to ask again. Called by `jqjobs.api.results`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from jqjobs.errors import StoreUnavailable
from jqjobs.store import keys
from jqjobs.store.address import Address
from jqjobs.store.call import Call
from jqjobs.store.reply_values import text
from jqjobs.store.scripts import script
from jqjobs.store.wire import Wire, raised


class Ending(IntEnum):
    """The first item in the answer of lua/result.lua."""

    GONE = 0
    PENDING = 1
    KEPT = 2
    DEAD = 3
    MOVED = 4


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended, if it did. ``result``: JSON; ``reason``: why it is dead, or why there is no result.

    ``moved_to``: the queue where it goes on.
    """

    ending: Ending
    result: bytes | None = None
    reason: str | None = None
    error: str | None = None
    moved_to: str = ""


def job_end(queue: str, job_id: str) -> Call[JobEnd]:
    """Ask how a job ended; while it has not, its end will be published on ``keys.over(queue, job_id)``."""

    def parse(reply: Any) -> JobEnd:
        ending = Ending(reply[0])
        # A nil at the end of a Lua table shortens the answer.
        first, second = (None if item is None else item for item in [*reply[1:], None, None][:2])
        if ending is Ending.KEPT:
            return JobEnd(ending, result=first, reason=None if second is None else text(second))
        if ending is Ending.MOVED:
            return JobEnd(ending, moved_to=text(first))
        if ending is Ending.DEAD:
            return JobEnd(ending, reason=text(first), error=None if second is None else text(second))
        return JobEnd(ending)

    return Call(script("result"), (keys.meta(queue),), ("", job_id), parse, repeatable=True)


class Subscription:
    """A connection that listens to one channel, for a thread."""

    def __init__(self, wire: Wire, channel: str) -> None:
        self._wire = wire
        self._channel = channel

    def begin(self) -> None:
        """Have what is published from here on heard. Raises: StoreError and its kinds."""
        self._wire.send(("SUBSCRIBE", self._channel))
        raised(self._wire.reply())

    def wait(self, timeout_s: float) -> None:
        """Return when something was published, or may have been; at most ``timeout_s`` later. Raises: StoreError."""
        if not self._wire.poll(timeout_s):
            return
        try:
            raised(self._wire.reply())
        except StoreUnavailable:
            self.begin()  # what was published meanwhile was not heard


@contextmanager
def subscribe(address: Address, channel: str, timeout_s: float = 5.0) -> Iterator[Subscription]:
    """Listen to a channel; what is published from here on is heard. Raises: StoreError and its kinds."""
    wire = Wire(address, timeout_s=timeout_s, name="jqjobs-waiter")
    try:
        subscription = Subscription(wire, address.key(channel))
        subscription.begin()
        yield subscription
    finally:
        wire.close()
