"""Which queues a whole trip passes by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from jqjobs.store.calls.trips import Way


@dataclass(frozen=True)
class Has:
    """What there is in a queue: jobs or envelopes; anything that is due later; whether that is due by now."""

    work: bool
    later: bool
    due: bool


@dataclass
class WayThere:
    """Of one trip. ``due``: where it goes in any case."""

    way: Way
    due: Collection[str]
    has: Mapping[str, Has]

    def passes_by(self, queue: str, *, is_enough: bool) -> bool:
        """Whether it does not look into a queue."""
        if queue in self.due:
            return False
        has, is_early = self.has[queue], self.way is Way.ENOUGH
        if is_early and (is_enough or not (has.work or has.due)):
            return True
        return not (has.work or has.later)


def way_there(
    way: Way, queues: Sequence[str], reported: Collection[str], has: Mapping[str, Has], *, has_suspects: bool
) -> WayThere:  # fmt: skip
    """Return the way of a trip. ``has_suspects``: it asks for some, and there are."""
    if way is Way.ALL or has_suspects:
        return WayThere(Way.ALL, queues, has)
    return WayThere(way, reported or queues[:1], has)
