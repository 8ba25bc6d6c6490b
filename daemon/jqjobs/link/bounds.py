"""How many workers a daemon may have, as its settings and orders to it say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jqjobs.errors import InvalidOption

MAX_PROCESSES = 256


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many workers a daemon has: from ``least`` to ``most``, as the jobs call for; always so many, if equal."""

    least: int
    most: int

    @classmethod
    def fixed(cls, count: int) -> Bounds:
        """Return those of always so many workers, as near as a daemon can have them."""
        within = max(1, min(count, MAX_PROCESSES))
        return cls(within, within)

    @classmethod
    def parse(cls, text: str) -> Bounds:
        """Return what is written as ``4`` or ``1..8``. Raises: InvalidOption."""
        found = re.fullmatch(r"(\d{1,9})(?:\.\.(\d{1,9}))?", text.strip(), re.ASCII)
        if found is None:
            raise InvalidOption(f"{text!r} is not a number, such as 4, and not a range, such as 1..8")
        return cls(int(found[1]), int(found[2] or found[1]))

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        return f"{self.least}..{self.most}" if self.is_range else str(self.least)

    @property
    def is_range(self) -> bool:
        """Whether the jobs decide."""
        return self.least != self.most

    @property
    def are_possible(self) -> bool:
        """Whether a daemon can have so many."""
        return 1 <= self.least <= self.most <= MAX_PROCESSES

    def nearest(self, count: int) -> int:
        """Return the number within these bounds that is nearest."""
        return max(self.least, min(count, self.most))
