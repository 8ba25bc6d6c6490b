"""Turns of groups in memory, by the rule of lua/rules/turns/last.lua: a job's number in its priority."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

#: A queue and a priority in it.
Band = tuple[str, int]

#: Of what waits when the first group comes, so many may have come back to old places.
_AHEAD = 10


class Turns:
    """Numbers of jobs; where none has a group, they count up."""

    def __init__(self) -> None:
        self._fair: set[Band] = set()
        self._taken = Counter[Band]()
        self._last = Counter[tuple[Band, str]]()

    def next(self, band: Band, group: str, sequence: int, waiting: Callable[[], Collection[int]]) -> int:
        """Return the number of a new job. ``sequence``: its number where nobody takes turns; only grows.

        ``waiting``: tells the numbers of those that are ready there.
        """
        if group and band not in self._fair:
            self._begin(band, sequence, waiting())
        fair = band in self._fair
        self._last[band, group] = max(self._taken[band], self._last[band, group]) + 1 if fair else sequence
        return self._last[band, group]

    def _begin(self, band: Band, sequence: int, waiting: Collection[int]) -> None:
        """Let what waits be a group."""
        self._fair.add(band)
        first = sorted(waiting)[:_AHEAD]
        self._taken[band] = max(0, first[-1] - len(first)) if first else sequence - 1
        self._last[band, ""] = max(waiting, default=0)

    def took(self, band: Band, number: int) -> None:
        """Note that a job was taken; what comes back with an old number is no step back."""
        self._taken[band] = max(self._taken[band], number)
