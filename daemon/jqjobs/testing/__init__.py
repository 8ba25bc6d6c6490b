"""Jobs in tests, without Redis: `in_memory(app)` holds them until `drain()` runs them. See `jqjobs.testing.memory`.

Names are loaded on first use: pytest imports this package at every start, for its plugin.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jqjobs.inprocess.memory_store import Record
    from jqjobs.testing.frozen_clock import FrozenClock
    from jqjobs.testing.memory import InMemory, in_memory

#: Name → module that has it.
_HOMES = {
    "InMemory": "testing.memory", "in_memory": "testing.memory",
    "FrozenClock": "testing.frozen_clock", "Record": "inprocess.memory_store",
}  # fmt: skip

__all__ = ["FrozenClock", "InMemory", "Record", "in_memory"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'jqjobs.testing' has no attribute {name!r}")
    return getattr(import_module(f"jqjobs.{home}"), name)
