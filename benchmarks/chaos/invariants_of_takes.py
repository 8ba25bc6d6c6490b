"""The rules about what may be taken, and made, beside what: limits, coalescing keys, ticks. See invariants."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import NamedTuple

from chaos.invariants import TICK, Evidence, Violation
from chaos.lives import Change, Life, Lives, Step


class Limit(NamedTuple):
    """One limit of a job, as its record has it."""

    kind: str
    most: int
    window_ms: int
    name: str


def limits_of(text: str) -> list[Limit]:
    """Read the field `limits`."""
    found = re.findall(r"([rc]) (\d+) (\d+) (\S+)", text)
    return [Limit(kind, int(most), int(window), name) for kind, most, window, name in found]


class Concurrency:
    """Of each concurrency limit at most so many are in workers' hands."""

    tag = "limit-concurrency"

    def __init__(self, lives: Lives) -> None:
        self._lives = lives
        self._held: dict[Life, list[Limit]] = {}
        self._running: dict[tuple[str, str], set[Life]] = defaultdict(set)

    def see(self, step: Step) -> Iterator[Violation]:
        for change in step.changes:
            if change.left("active"):
                for limit in self._held.pop(change.life, []):
                    self._running[change.life.queue, limit.name].discard(change.life)
        for change in step.changes:
            if change.entered("active"):
                yield from self._take(change.life, step)

    def _take(self, life: Life, step: Step) -> Iterator[Violation]:
        limits = [limit for limit in limits_of(self._lives.record(life).get("limits", "")) if limit.kind == "c"]
        if limits:
            self._held[life] = limits
        for limit in limits:
            running = self._running[life.queue, limit.name]
            running.add(life)
            if len(running) > limit.most:
                text = f"{len(running)} run beside each other, {limit.most} may"
                yield Violation(self.tag, f"{life.queue}/{limit.name}", text, step.at_ms)


class Rate:
    """Of each rate at most so many are taken in any window, but those given back unrun, by the clock of Redis."""

    tag = "limit-rate"

    def __init__(self, lives: Lives, evidence: Evidence) -> None:
        self._lives = lives
        self._jumps = deque(sorted(evidence.jumps_ms))
        self._starts: dict[tuple[str, str], deque[int]] = defaultdict(deque)
        self._redis_ms = 0

    def see(self, step: Step) -> Iterator[Violation]:
        while self._jumps and self._jumps[0] <= step.at_ms:
            self._jumps.popleft()
            self._starts.clear()
        if step.redis_ms < self._redis_ms:  # it was set back, and that is in the log before the next tick of our clock
            self._starts.clear()
        self._redis_ms = step.redis_ms
        self._forget_unrun(step)
        for change in step.changes:
            if change.entered("active"):
                yield from self._take(change.life, step)

    def _forget_unrun(self, step: Step) -> None:
        for _, key, _, moment in [words for words in step.commands if words[0] == "LREM"]:
            queue, _, name = key.partition("{")[2].partition("}:limit:")
            if starts := self._starts.get((queue, name)):
                starts.remove(min(starts, key=lambda start: abs(start - int(moment))))

    def _take(self, life: Life, step: Step) -> Iterator[Violation]:
        for limit in limits_of(self._lives.record(life).get("limits", "")):
            if limit.kind != "r":
                continue
            starts = self._starts[life.queue, limit.name]
            starts.append(step.redis_ms)
            if len(starts) > limit.most and step.redis_ms - starts.popleft() < limit.window_ms:
                text = f"more than {limit.most} starts in {limit.window_ms} ms"
                yield Violation(self.tag, f"{life.queue}/{limit.name}", text, step.at_ms)


class Coalescing:
    """While a job stands for its key, no other one does."""

    tag = "coalescing"

    def __init__(self, lives: Lives) -> None:
        self._lives = lives
        self._standing: dict[tuple[str, str], set[Life]] = defaultdict(set)
        self._key_of: dict[Life, str] = {}

    def see(self, step: Step) -> Iterator[Violation]:
        for change in step.changes:
            life = change.life
            key = self._lives.record(life).get("key", "") or self._key_of.get(life, "")
            if not key:
                continue
            self._key_of[life] = key
            standing = self._standing[life.queue, key]
            standing.discard(life)
            if self._stands(change):
                standing.add(life)
                if len(standing) > 1:
                    ids = sorted(other.id for other in standing)
                    yield Violation(self.tag, f"{life.queue}, key {key}", f"{ids} stand for it", step.at_ms)

    def _stands(self, change: Change) -> bool:
        life = change.life
        if not life.exists or life.is_in("kept"):
            return False
        match self._lives.record(life).get("coalesce", "unfinished"):
            case "queued":  # one that was taken and comes back may find its key taken
                return life.takes == 0 and not life.is_in("dead")
            case "stored":
                return True
        return not life.is_in("dead")


class Ticks:
    """A tick of a schedule makes a job once."""

    tag = "ticks"

    def __init__(self, evidence: Evidence) -> None:
        self._jumps = evidence.jumps_ms
        self.ticks: dict[str, set[int]] = defaultdict(set)
        self._births: dict[Life, int] = {}

    def see(self, step: Step) -> Iterator[Violation]:
        for change in step.changes:
            match = TICK.fullmatch(change.life.id)
            if not match or change.life.births == self._births.get(change.life, 0):
                continue
            self._births[change.life] = change.life.births
            self.ticks[match[1]].add(int(match[2]))
            if change.life.births > 1 and not self._jumps:
                yield Violation(self.tag, change.life.ref, f"made {change.life.births} times", step.at_ms)
