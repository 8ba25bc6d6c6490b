"""How long jobs lie in `ready` before a worker takes them, by the log: who has to wait for the misfortune of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from chaos.invariants import Violation
from chaos.lives import Life, Step


@dataclass
class Waits:
    """Follows who comes to `ready` and who is taken. ``times_ms``: of all takes."""

    times_ms: list[int] = field(default_factory=list)
    longest: tuple[int, str] = (0, "")
    _since: dict[Life, int] = field(default_factory=dict)

    def see(self, step: Step) -> Iterator[Violation]:
        """Note it; nothing of it breaks a rule."""
        for change in step.changes:
            if change.left("ready"):
                self._close(change.life, step.at_ms - self._since.pop(change.life, step.at_ms))
            if change.entered("ready") and step.at_ms:  # else it was before the run's clock told the time
                self._since[change.life] = step.at_ms
        return iter(())

    def _close(self, life: Life, waited_ms: int) -> None:
        if life.is_in("active"):
            self.times_ms.append(waited_ms)
            self.longest = max(self.longest, (waited_ms, life.ref))
