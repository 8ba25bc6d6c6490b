"""Jobs in tests, without Redis: `in_memory(app)` holds them until `drain()` runs them. See `jqjobs.testing.memory`.

Names are loaded on first use: pytest imports this package at every start, for its plugin.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jqjobs.testing.memory import InMemory, in_memory
    from jqjobs.testing.records import FrozenClock, Record

_HOMES = {"InMemory": "memory", "in_memory": "memory", "FrozenClock": "records", "Record": "records"}

__all__ = ["FrozenClock", "InMemory", "Record", "in_memory"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'jqjobs.testing' has no attribute {name!r}")
    return getattr(import_module(f"jqjobs.testing.{home}"), name)
