"""Follows each job through the log: where it is, what became of it, and what each transaction changed.

A job's record is the hash `job:<id>`, its state the sorted set it is a member of. Nothing here judges; see invariants.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from chaos.aof import Transaction
from chaos.commands import apply
from chaos.keyspace import Hash, Keyspace

#: The sets that are states. `suspects` is there for versions that have it.
STATES = frozenset({
    "ready", "scheduled", "held", "waiting", "parked", "kept", "dead", "suspects", "active",
})  # fmt: skip
#: Written by the run itself, so that the log says when: "ms of the run's clock, ms of Redis".
CLOCK_KEY = "chaos:clock"
#: Fields whose change a rule wants to hear of.
_TELLING = frozenset({"crashes", "failures", "interrupts", "reason"})
#: Fields of a queue that together say how many successes there were.
_COUNTERS = frozenset({"done", "uncounted"})


class Name(NamedTuple):
    """A key of a queue taken apart: jq:{queue}:kind or jq:{queue}:kind:rest."""

    queue: str
    kind: str
    rest: str


@lru_cache(maxsize=200_000)
def name_of(key: str) -> Name | None:
    """Take a key apart; None when it belongs to no queue."""
    match = re.fullmatch(r"jq:\{([^}~]+)\}:([^:]+):?(.*)", key, re.DOTALL)
    return Name(*match.groups()) if match else None


@dataclass(eq=False)
class Life:
    """One job id of one queue, through all records it ever had. ``places``: "ready", "active:<worker> <attempt>", …"""

    queue: str
    id: str
    name: str = ""
    exists: bool = False
    places: set[str] = field(default_factory=set)
    births: int = 0
    takes: int = 0
    successes: int = 0
    deaths: list[str] = field(default_factory=list)

    @property
    def ref(self) -> str:
        """The job as jqctl writes it."""
        return f"{self.queue}/{self.id}"

    @property
    def key(self) -> str:
        """Of its record."""
        return f"jq:{{{self.queue}}}:job:{self.id}"

    def is_in(self, state: str) -> bool:
        """Whether one of its places is that state."""
        return any(place.partition(":")[0] == state for place in self.places)


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction did to one job. ``succeeded``, ``died``: the reason, or ""."""

    life: Life
    existed: bool
    before: frozenset[str]
    after: frozenset[str]
    succeeded: bool
    died: str

    def left(self, state: str) -> bool:
        """Whether it was in that state and is not, or is there by another take."""
        return any(place.partition(":")[0] == state for place in self.before - self.after)

    def entered(self, state: str) -> bool:
        """Whether it came into that state, or was taken again."""
        return any(place.partition(":")[0] == state for place in self.after - self.before)


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction and what it did. ``at_ms``: by the run's clock; ``redis_ms``: by that of Redis."""

    number: int
    at_ms: int
    redis_ms: int
    commands: Transaction
    changes: tuple[Change, ...]
    #: Job, field, old value, new value; of the fields that tell something.
    told: tuple[tuple[Life, str, str, str], ...]
    #: Queue → by how much its counter of successes grew.
    done: dict[str, int]


class Lives:
    """Observes a keyspace; `replay` turns a transaction into a step."""

    def __init__(self) -> None:
        self.keyspace = Keyspace(self)
        self.of: dict[tuple[str, str], Life] = {}
        self.at_ms = self.redis_ms = 0
        self._number = 0
        self._before: dict[Life, tuple[bool, frozenset[str]]] = {}
        self._told: list[tuple[Life, str, str, str]] = []
        self._fields: dict[tuple[Life, str], str] = {}
        self._counted: dict[str, int] = {}
        self._counting: set[str] = set()

    def replay(self, transaction: Transaction) -> Step:
        """Do a transaction and say what it did."""
        self._number += 1
        self._before, self._told, self._counting = {}, [], set()
        for command in transaction:
            apply(self.keyspace, command)
            if command[:2] == ("SET", CLOCK_KEY):
                self.at_ms, self.redis_ms = map(int, command[2].split())
        changes = tuple(self._change(life, *before, transaction) for life, before in self._before.items())
        return Step(self._number, self.at_ms, self._moment(transaction), transaction, changes,
                    tuple(self._told), {queue: self._count(queue) for queue in self._counting})  # fmt: skip

    def _moment(self, transaction: Iterable[tuple[str, ...]]) -> int:
        """Return the time of Redis: a trip that takes jobs writes it, else it is that of the last tick of the clock."""
        for command in transaction:
            if command[0] == "SET" and ":trip:" in command[1] and command[2].rpartition(" ")[2].isdigit():
                self.redis_ms = max(self.redis_ms, int(command[2].rpartition(" ")[2]))
        return self.redis_ms

    def _change(self, life: Life, existed: bool, before: frozenset[str], transaction: Transaction) -> Change:
        after = frozenset(life.places)
        was_in_hand = any(place.startswith(("active:", "waiting")) for place in before)
        rejected = any(command[0] == "LPUSH" and command[1].endswith(":rejected") for command in transaction)
        succeeded = ("kept" in after - before) or (existed and not life.exists and was_in_hand and not rejected)
        died = self.record(life).get("reason", "?") if "dead" in after - before else ""
        life.successes += succeeded
        life.takes += sum(place.startswith("active:") for place in after - before)
        if died:
            life.deaths.append(died)
        return Change(life, existed, before, after, succeeded, died)

    def _count(self, queue: str) -> int:
        """Return by how much the counter of successes grew: those of fast trips are in one of their own at first."""
        meta = self.keyspace.hash(f"jq:{{{queue}}}:meta")
        counted = sum(int(meta.get(field, 0)) for field in _COUNTERS)
        growth = counted - self._counted.get(queue, 0)
        self._counted[queue] = counted
        return growth

    def record(self, life: Life) -> Hash:
        """Return the job's hash."""
        return self.keyspace.hash(life.key)

    def life(self, queue: str, job_id: str) -> Life:
        """Return a job's life, a new one when nothing was heard of it."""
        found = self.of.get((queue, job_id))
        if found is None:
            found = self.of[queue, job_id] = Life(queue, job_id)
        return found

    def _touch(self, name: Name, job_id: str) -> Life:
        life = self.life(name.queue, job_id)
        if life not in self._before:
            self._before[life] = life.exists, frozenset(life.places)
        return life

    # ---------------------------------------------------------------- what the keyspace tells

    def added(self, key: str, member: str, score: float) -> None:
        """A member came into a sorted set."""
        name = name_of(key)
        if name and name.kind in STATES and (place := _place(name, member)):
            self._touch(name, member.partition(" ")[0]).places.add(place)

    def removed(self, key: str, member: str) -> None:
        """A member left a sorted set."""
        name = name_of(key)
        if name and name.kind in STATES and (place := _place(name, member)):
            self._touch(name, member.partition(" ")[0]).places.discard(place)

    def written(self, key: str, field: str, value: str) -> None:
        """A field of a hash was set."""
        name = name_of(key)
        if name is None:
            return
        if name.kind == "meta" and field in _COUNTERS:
            self._counting.add(name.queue)
        elif name.kind == "job":
            self._write_job(self._touch(name, name.rest), field, value)

    def _write_job(self, life: Life, field: str, value: str) -> None:
        if not life.exists:
            life.exists, life.births = True, life.births + 1
            for known in _TELLING:
                self._fields.pop((life, known), None)
        if field == "name":
            life.name = value
        if field in _TELLING:
            self._told.append((life, field, self._fields.get((life, field), ""), value))
            self._fields[life, field] = value

    def deleted(self, key: str) -> None:
        """A key is gone."""
        name = name_of(key)
        if name and name.kind == "job" and ":" not in name.rest:
            self._touch(name, name.rest).exists = False
        elif name and name.kind == "meta":
            self._counted.pop(name.queue, None)


def _place(name: Name, member: str) -> str:
    if member.startswith("~") or (name.rest and name.kind != "active"):
        return ""  # a timer of a limit, or who waits for one limit: the state is `held`
    return f"active:{name.rest} {member.partition(' ')[2]}" if name.kind == "active" else name.kind
