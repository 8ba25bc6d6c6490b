"""What workers have counted of their jobs, by job name, and which ended last (lua/add_statistics.lua)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument


def add_statistics(
    queue: str, counted: Mapping[str, Mapping[str, int]], ends: Sequence[tuple[int, str]] = ()
) -> Call[int]:
    """Add what was counted since the last time: by job name, fields and by how much they grow.

    ``ends``: those that came last, each with its moment (ms of Redis), as `jobs.statistics.end_line` has it.
    Returns how many names the queue has statistics of.
    """
    args: list[Argument] = ["", len(ends)]
    for end in ends:
        args += end
    for name, fields in counted.items():
        args += (name, len(fields))
        for field, growth in fields.items():
            args += (field, growth)
    return Call(script("add_statistics"), (keys.meta(queue),), args, int)
