"""How long after a kill -9 the jobs that its workers had can be taken again, by the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from chaos.fleet import LEASE_S
from chaos.invariants import Violation
from chaos.lives import Life, Lives, Step
from chaos.nemesis import Deed

#: What must have recovered after so many seconds on an idle machine, when nothing else was the matter: a worker is
#: buried by its daemon, a daemon by the next one of its host (or it is reaped), a host is reaped.
_BOUNDS_S = {"kill worker": 5, "kill daemon": LEASE_S + 10, "kill host": LEASE_S + 15}
#: After an outage daemons come back with a back-off; one that was told to end goes, and another one boots.
_AFTERMATH_MS = 6000


@dataclass
class Recovery:
    """Follows what killed workers held. ``times_ms``: by blow, of those with no other trouble.

    ``troubled_ms``: of the rest. ``patience``: how many times slower than an idle one this machine may be.
    """

    lives: Lives
    queues: Sequence[str]
    deeds: Sequence[Deed]
    patience: float = 1.0
    times_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    troubled_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _open: dict[tuple[Life, str], Deed] = field(default_factory=dict)
    _next: int = 0

    def see(self, step: Step) -> list[Violation]:
        """Note whose workers were killed by now, and who got away from a dead one; return what came too late."""
        found = [
            violation
            for change in step.changes
            for place in change.before - change.after
            if (deed := self._open.pop((change.life, place), None)) is not None
            for violation in self._close(change.life, deed, step.at_ms)
        ]
        while self._next < len(self.deeds) and self.deeds[self._next].at_ms <= step.at_ms:
            self._begin(self.deeds[self._next])
            self._next += 1
        return found

    def _begin(self, deed: Deed) -> None:
        if deed.blow not in _BOUNDS_S:
            return
        for queue in self.queues:
            for worker in deed.harm.killed:
                for member in self.lives.keyspace.sorted_set(f"jq:{{{queue}}}:active:{worker}"):
                    job_id, _, attempt = member.partition(" ")
                    self._open[self.lives.life(queue, job_id), f"active:{worker} {attempt}"] = deed

    def _close(self, life: Life, deed: Deed, at_ms: int) -> list[Violation]:
        took_ms = max(0, at_ms - deed.at_ms)
        if self._had_trouble(deed, at_ms):
            self.troubled_ms[deed.blow].append(took_ms)
            return []
        self.times_ms[deed.blow].append(took_ms)
        if took_ms <= _BOUNDS_S[deed.blow] * 1000 * self.patience:
            return []
        return [Violation("recovery", life.ref, f"back {took_ms / 1000:.1f} s after: {deed.blow}", at_ms)]

    def _had_trouble(self, deed: Deed, until_ms: int) -> bool:
        """Whether somebody was out of reach, or gone, who might have helped."""
        return any(
            other is not deed
            and other.at_ms <= until_ms
            and other.until_ms + _AFTERMATH_MS >= deed.at_ms
            and _hinders(other, deed)
            for other in self.deeds
        )


def _hinders(other: Deed, deed: Deed) -> bool:
    """Whether one blow can put off the recovery from another: it hit Redis, or those who are to end dead workers."""
    words = other.harm.target.split()
    if words[0] == "redis":
        return other.harm.is_outage or other.blow.startswith("jump")
    is_near = deed.blow == "kill host" or words[words[0] == "way"][0] == deed.harm.target[0]
    return is_near and (other.harm.is_outage or other.blow.startswith(("freeze", "drain", "kill daemon", "kill host")))


def percentile(values: Sequence[int], share: float) -> int:
    """Return the value that this share of them does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]
