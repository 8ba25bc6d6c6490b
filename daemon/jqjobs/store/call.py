"""A script call, built once: script, keys, arguments, and how to read the answer. The calls are in `store.calls`.

`Store` and `AsyncStore` run the same `Call`; nothing else knows the order of a script's arguments.
Its keys are without their prefix, see `jqjobs.store.keys`.
The first argument of each script is the time; it is left "" here, for the clock of Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jqjobs.store.replication import Wait
from jqjobs.store.scripts import Script
from jqjobs.store.wire import Argument

T_co = TypeVar("T_co", covariant=True)


@dataclass(slots=True)  # not frozen: that costs 0.7 µs a call
class Call(Generic[T_co]):
    """One script call. ``repeatable``: sent again, whenever it arrives, it does no more than sent once.

    So nothing that brings a job in or takes one out is: it may have ended between the two. ``wait``: for replicas.
    """

    script: Script
    keys: Sequence[str]
    args: Sequence[Argument]
    parse: Callable[[Any], T_co]
    repeatable: bool = False
    wait: Wait | None = None

    def command(self, prefix: str) -> tuple[Argument, ...]:
        """Return the EVALSHA command; ``prefix``: that of the address, see `Address.key`."""
        return ("EVALSHA", self.script.sha, len(self.keys), *[f"{prefix}:{key}" for key in self.keys], *self.args)
