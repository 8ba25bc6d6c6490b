"""The rules that must hold after each transaction. Each has a tag; a run can leave some out (`--without`).

A rule sees every step (`lives.Step`) and yields what is wrong with it. Here: what may become of a job. Beside this:
what may be taken (invariants_of_takes), and what can only be said at the end (closing, owners).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chaos.kinds import ALLOWED_DEATHS
from chaos.lives import Change, Life, Lives, Step

#: A tick's id is its schedule's name and a moment.
TICK = re.compile(r"(.+)-(\d{13})")


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be. ``at_ms``: by the run's clock, 0: at the end."""

    tag: str
    about: str
    text: str
    at_ms: int = 0


class Rule(Protocol):
    """Something that holds after each transaction."""

    tag: str

    def see(self, step: Step) -> Iterable[Violation]:
        """Yield what a step broke."""


class Evidence(NamedTuple):
    """What the run knows and Redis does not.

    ``killed``: workers that the nemesis ended with kill -9, alone or with a daemon that was not draining.
    ``cancelled``: ids somebody wanted to cancel. ``jumps_ms``: when the clock of Redis was set, by the run's clock.
    """

    killed: Collection[str] = frozenset()
    cancelled: Collection[str] = frozenset()
    jumps_ms: tuple[int, ...] = ()


class OneState:
    """A job with a record is in exactly one state, one without is in none."""

    tag = "one-state"

    def see(self, step: Step) -> Iterator[Violation]:
        for change in step.changes:
            if len(change.after) != int(change.life.exists):
                places = ", ".join(sorted(change.after)) or "no state"
                record = "a record" if change.life.exists else "no record"
                yield Violation(self.tag, change.life.ref, f"in {places}, with {record}", step.at_ms)


class NothingVanishes:
    """A record goes with a success, or from `dead` and `kept` by retention."""

    tag = "vanished"

    def see(self, step: Step) -> Iterator[Violation]:
        for change in step.changes:
            if change.existed and not change.life.exists and not self._may_go(change, step):
                yield Violation(self.tag, change.life.ref, f"was in {sorted(change.before)}, and is gone", step.at_ms)

    @staticmethod
    def _may_go(change: Change, step: Step) -> bool:
        is_rejected = any(command[1].endswith(":rejected") for command in step.commands if command[0] == "LPUSH")
        return change.succeeded or bool(change.before & {"dead", "kept"}) or (is_rejected and change.left("active"))


class OneSuccess:
    """A call succeeds once, and each success is counted once.

    A tick is made anew where the clock was set back behind it: then as often as it was made.
    """

    tag = "one-success"

    def __init__(self, evidence: Evidence) -> None:
        self._jumps = evidence.jumps_ms

    def see(self, step: Step) -> Iterator[Violation]:
        counted = dict(step.done)
        for change in step.changes:
            if not change.succeeded:
                continue
            life = change.life
            counted[life.queue] = counted.get(life.queue, 0) - 1
            may_recur = self._jumps and TICK.fullmatch(life.id)
            if life.successes > (life.births if may_recur else 1):
                text = f"success number {life.successes}; it was created {life.births} times"
                yield Violation(self.tag, life.ref, text, step.at_ms)
        for queue, off in counted.items():
            if off:
                yield Violation(self.tag, queue, f"the counter of successes is off by {off}", step.at_ms)


class Bystanders:
    """Who dies is of a kind that may die so: a crash is charged to who caused it, or to whom the nemesis has killed.

    Or to the only suspect beside it: nobody can know better. Of that alone nobody dies.
    """

    tag = "bystander"

    def __init__(self, lives: Lives, evidence: Evidence) -> None:
        self._lives, self._evidence = lives, evidence
        self._unproven: dict[Life, int] = defaultdict(int)
        self._had_pill: set[str] = set()

    def see(self, step: Step) -> Iterator[Violation]:
        for change in step.changes:
            if "crashed" in ALLOWED_DEATHS.get(change.life.name, ()):
                self._had_pill |= {_worker(place) for place in change.after if place.startswith("active:")}
        yield from self._charges(step)
        for change in step.changes:
            if change.died and not self._may_die(change):
                record = self._lives.record(change.life)
                text = f"{change.life.name} is dead: {change.died}, {record.get('error', '')[:100]}"
                yield Violation(self.tag, change.life.ref, text, step.at_ms)

    def _charges(self, step: Step) -> Iterator[Violation]:
        for life, field, old, new in step.told:
            if field != "crashes" or int(new) <= int(old or 0) or "crashed" in ALLOWED_DEATHS.get(life.name, ()):
                continue
            line = _last_line(step, life)
            worker = line.get("worker")
            if worker in self._evidence.killed:
                continue
            self._unproven[life] += 1
            if worker not in self._had_pill or "suspect" not in self._lives.record(life):
                text = f"{life.name} is charged a crash that nobody saw: {line.get('error', '')[:100]}"
                yield Violation("charge", life.ref, text, step.at_ms)

    def _may_die(self, change: Change) -> bool:
        life = change.life
        if change.died in ALLOWED_DEATHS.get(life.name, ()):
            return True
        if change.died == "cancelled":
            return life.id in self._evidence.cancelled
        return change.died == "crashed" and not self._unproven[life]


def _worker(place: str) -> str:
    return place.removeprefix("active:").partition(" ")[0]


def _last_line(step: Step, life: Life) -> dict[str, str]:
    """Return the line that a transaction added to a job's history."""
    for command in reversed(step.commands):
        if command[0] == "RPUSH" and command[1] == f"{life.key}:history":
            found: dict[str, str] = json.loads(command[2])
            return found
    return {}
