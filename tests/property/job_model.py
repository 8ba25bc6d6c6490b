"""One job as it should be, and what is said of jobs: by producers (`New`) and by workers (`Report`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jqjobs.job import Kind

HISTORY = 20
COUNTERS = ("failures", "crashes", "interrupts", "executions")


@dataclass
class Job:
    """A job as the store knows it. ``rank``: where it goes back to, 0 when nowhere in particular."""

    name: str
    priority: int = 0
    key: str = ""
    options: dict[str, int] = field(default_factory=dict)
    expires: int | None = None
    attempt: int = 0
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    forgiven: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    suspect: bool = False
    rank: int = 0
    history: int = 0

    def count(self, counter: str) -> int:
        """Count one execution that ended so; return what stands against the limit."""
        self.counters[counter] += 1
        self.counters["executions"] += 1
        return self.counters[counter] - self.forgiven[counter]

    def remember(self) -> None:
        self.history = min(HISTORY, self.history + 1)

    def shown(self) -> tuple[Any, ...]:
        c = self.counters
        numbers = (c["failures"], c["crashes"], c["interrupts"], c["executions"])
        return (self.attempt, *numbers, int(self.suspect), self.rank, self.priority, self.key, self.history)


@dataclass
class New:
    """What a producer wants. ``delay`` and ``expires`` in ms from now."""

    id: str
    name: str = "n"
    priority: int = 0
    delay: int = 0
    key: str = ""
    options: dict[str, int] = field(default_factory=dict)
    expires: int | None = None


@dataclass
class Report:
    """An outcome as a worker reports it. ``number``: delay or keep, ms."""

    queue: str
    id: str
    attempt: int
    kind: Kind
    number: int = 0
