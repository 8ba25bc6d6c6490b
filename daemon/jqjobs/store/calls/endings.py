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

from jqjobs.store import keys
from jqjobs.store.address import Address
from jqjobs.store.call import Call
from jqjobs.store.reply_values import text
from jqjobs.store.scripts import script
from jqjobs.store.wire import Wire


class Ending(IntEnum):
    """The first item in the answer of lua/result.lua."""

    GONE = 0
    PENDING = 1
    KEPT = 2
    DEAD = 3


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended, if it did. ``result``: JSON; ``reason``: why it is dead, or why there is no result."""

    ending: Ending
    result: bytes | None = None
    reason: str | None = None
    error: str | None = None


def job_end(queue: str, job_id: str) -> Call[JobEnd]:
    """Ask how a job ended; while it has not, its end will be published on ``keys.over(queue, job_id)``."""

    def parse(reply: Any) -> JobEnd:
        ending = Ending(reply[0])
        # A nil at the end of a Lua table shortens the answer.
        first, second = (None if item is None else item for item in [*reply[1:], None, None][:2])
        if ending is Ending.KEPT:
            return JobEnd(ending, result=first, reason=None if second is None else text(second))
        if ending is Ending.DEAD:
            return JobEnd(ending, reason=text(first), error=None if second is None else text(second))
        return JobEnd(ending)

    return Call(script("result"), (keys.meta(queue),), ("", job_id), parse, repeatable=True)


class Subscription:
    """A connection that listens to one channel, for a thread."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def wait(self, timeout_s: float) -> None:
        """Return when something was published, at the latest after ``timeout_s``. Raises: StoreUnavailable."""
        if self._wire.poll(timeout_s):
            self._wire.read()


@contextmanager
def subscribe(address: Address, channel: str) -> Iterator[Subscription]:
    """Listen to a channel; what is published from here on is heard. Raises: StoreError and its kinds."""
    wire = Wire(address, name="jqjobs-waiter")
    try:
        wire.send(("SUBSCRIBE", address.key(channel)))
        wire.read()
        yield Subscription(wire)
    finally:
        wire.close()
