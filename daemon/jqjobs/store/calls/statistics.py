"""What workers have counted of their jobs, by job name (lua/add_statistics.lua)."""

from __future__ import annotations

from collections.abc import Mapping

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument


def add_statistics(queue: str, counted: Mapping[str, Mapping[str, int]]) -> Call[int]:
    """Add what was counted since the last time: by job name, fields and by how much they grow.

    Returns how many names the queue has statistics of.
    """
    args: list[Argument] = [""]
    for name, fields in counted.items():
        args += (name, len(fields))
        for field, growth in fields.items():
            args += (field, growth)
    return Call(script("add_statistics"), (keys.meta(queue),), args, int)
