"""Does harm during the storm: what, when and to whom comes from the seed; notes all it did, and heals it at the end."""

from __future__ import annotations

import heapq
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from chaos.blows import Arsenal, Harm, nothing
from chaos.clock import now_ms
from chaos.fleet import Fleet

_LOOK_S = 0.05
#: Seconds between two blows, and until a daemon that ended is started again, as a supervisor would.
_BETWEEN_S = (0.3, 4.0)
_REVIVAL_S = (0.2, 3.0)


@dataclass(frozen=True, slots=True)
class Deed:
    """One blow as it is noted. ``at_ms``: just before it; ``until_ms``: when it was undone."""

    at_ms: int
    blow: str
    harm: Harm
    until_ms: int


class Nemesis:
    """One storm. ``deeds``: what was done so far."""

    def __init__(self, fleet: Fleet, arsenal: Arsenal, seed: str, log: Path) -> None:
        self.deeds: list[Deed] = []
        self._fleet = fleet
        self._arsenal = arsenal
        self._rng = random.Random(seed)
        self._log = log
        self._order = itertools.count()
        #: When, in which order, what.
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._revivals: dict[str, float] = {}

    @property
    def counts(self) -> Counter[str]:
        """How often each blow hit somebody."""
        return Counter(deed.blow for deed in self.deeds)

    def rage(self, seconds: float) -> None:
        """Do harm for so long. Everything it starts is started by the calling thread, which must live on."""
        until = time.monotonic() + seconds
        next_blow = time.monotonic()
        while time.monotonic() < until:
            self._undo_what_is_due(time.monotonic())
            self._revive(time.monotonic())
            if time.monotonic() >= next_blow:
                self._strike()
                next_blow = time.monotonic() + self._rng.uniform(*_BETWEEN_S)
            time.sleep(_LOOK_S)

    def heal(self) -> None:
        """Undo all that is not undone, and start who is not there."""
        self._undo_what_is_due(float("inf"))
        self._fleet.start()

    def _strike(self) -> None:
        [name] = self._rng.choices(list(self._arsenal), [weight for weight, _ in self._arsenal.values()])
        at_ms = now_ms()
        harm = self._arsenal[name][1](self._rng)
        if not harm.target:
            return
        self.deeds.append(Deed(at_ms, name, replace(harm, undo=nothing), at_ms + round(harm.lasts_s * 1000)))
        self._note(self.deeds[-1])
        heapq.heappush(self._agenda, (time.monotonic() + harm.lasts_s, next(self._order), harm.undo))

    def _note(self, deed: Deed) -> None:
        line = {
            "at_ms": deed.at_ms, "blow": deed.blow, "target": deed.harm.target, "until_ms": deed.until_ms,
            "killed": deed.harm.killed, "is_proof": deed.harm.is_proof,
        }  # fmt: skip
        with self._log.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _undo_what_is_due(self, now: float) -> None:
        while self._agenda and self._agenda[0][0] <= now:
            heapq.heappop(self._agenda)[2]()

    def _revive(self, now: float) -> None:
        for daemon in self._fleet.daemons:
            if daemon.is_running:
                self._revivals.pop(daemon.name, None)
            elif now >= self._revivals.setdefault(daemon.name, now + self._rng.uniform(*_REVIVAL_S)):
                daemon.start()
