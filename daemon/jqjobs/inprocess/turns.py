"""Turns of groups in memory, by the rule of lua/rules/turns/last.lua: a job's number in its priority."""

from __future__ import annotations

from collections import Counter

#: A queue and a priority in it.
Band = tuple[str, int]


class Turns:
    """Numbers of jobs; where none has a group, they count up."""

    def __init__(self) -> None:
        self._fair: set[Band] = set()
        self._taken = Counter[Band]()
        self._last = Counter[tuple[Band, str]]()

    def next(self, band: Band, group: str, sequence: int) -> int:
        """Return the number of a new job. ``sequence``: its number where nobody takes turns; only grows."""
        if group and band not in self._fair:
            self._begin(band, sequence)
        fair = band in self._fair
        self._last[band, group] = max(self._taken[band], self._last[band, group]) + 1 if fair else sequence
        return self._last[band, group]

    def _begin(self, band: Band, sequence: int) -> None:
        """Let what waits be a group."""
        self._fair.add(band)
        if self._last[band, ""] <= self._taken[band]:
            self._taken[band] = sequence - 1

    def took(self, band: Band, number: int) -> None:
        """Note that a job was taken; what comes back with an old number is no step back."""
        self._taken[band] = max(self._taken[band], number)
