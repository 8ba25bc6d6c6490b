"""Whom each key belongs to when all jobs are done and all daemons have left: what nobody owns has leaked."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.invariants import Violation
from chaos.lives import Lives, Name, Step, name_of

#: Of each queue, for good.
_LASTING = frozenset({
    "meta", "catalog", "offers", "schedule", "ticks", "paused", "wake", "rejected", "hooks", "dead", "kept",
    "succeeded", "stats", "errors", "settings", "rosters",
})  # fmt: skip
#: Of whoever runs or waits, hence of nobody now.
_BUSY = frozenset({
    "active", "leases", "held", "gates", "patience", "cancels", "waiting", "ready", "inbox", "suspects",
    "parked", "misfits", "transfers",
})  # fmt: skip
#: What goes by itself, and the longest it may still have, ms.
_REGISTRY_MS = {"daemon": 60_000, "worker": 240_000, "control": 90_000, "answer": 90_000}
_FLEETING_MS = {
    "trip": 25 * 3_600_000, "stats": 25 * 3_600_000, "recent": 25 * 3_600_000,
    "minute": 7_260_000, "limit": 120_000, "catalog": 8 * 86_400_000, "roster": 8 * 86_400_000,
    **_REGISTRY_MS,
}  # fmt: skip
#: So soon after the clock of Redis was set back a registry must be right again; it is looked at so often.
_PUT_RIGHT_MS, _LOOK_MS = 30_000, 1000
_SHARED = frozenset(
    {
        "jq:{~}:queues",
        "jq:{~}:daemons",
        "jq:{~}:audit",
        "jq:{~}:memory",
        "jq:{~}:deploys",
        "jq:{~}:alerts",
        "jq:{~}:rounds",
        "chaos:clock",
    }
)


class Registry:
    """No entry of the registry stays for longer than its kind may, also when the clock of Redis is set back."""

    tag = "ttl"

    def __init__(self, lives: Lives) -> None:
        self._lives = lives
        self._looked_ms = 0
        self._late_since: dict[str, int] = {}

    def see(self, step: Step) -> Iterator[Violation]:
        if step.at_ms < self._looked_ms + _LOOK_MS:
            return
        self._looked_ms = step.at_ms
        late = [key for key, moment in self._lives.keyspace.expires.items() if self._stays(key, moment - step.redis_ms)]
        self._late_since = {key: self._late_since.get(key, step.at_ms) for key in late}
        for key, since_ms in self._late_since.items():
            if since_ms and step.at_ms - since_ms > _PUT_RIGHT_MS:
                self._late_since[key] = 0  # said once
                left_s = (self._lives.keyspace.expires[key] - step.redis_ms) / 1000
                yield Violation(self.tag, key, f"goes in {left_s:.0f} s", step.at_ms)

    @staticmethod
    def _stays(key: str, left_ms: int) -> bool:
        return left_ms > _REGISTRY_MS.get(_shared_kind(key), left_ms)


def unowned(lives: Lives) -> Iterator[Violation]:
    """Yield every key that nobody owns, and every one that stays for longer than its kind may."""
    for key in lives.keyspace.values:
        name = name_of(key)
        kind = name.kind if name else _shared_kind(key)
        moment = lives.keyspace.expires.get(key)
        if moment is not None and kind in _FLEETING_MS:
            left_ms = moment - lives.redis_ms
            if left_ms > _FLEETING_MS[kind]:
                yield Violation("ttl", key, f"goes in {left_ms / 1000:.0f} s")
        elif problem := _problem(lives, key, name):
            yield Violation("unowned", key, problem)


def _shared_kind(key: str) -> str:
    parts = key.split(":")
    return parts[2] if len(parts) > 3 else ""


def _problem(lives: Lives, key: str, name: Name | None) -> str:
    if name is None:
        return "" if key in _SHARED else "is nobody's, and has no end"
    if name.kind == "job":
        life = lives.life(name.queue, name.rest.partition(":")[0])
        return "" if life.exists and life.places else "belongs to no job that is there"
    if name.kind == "unique":
        return _broken_keys(lives, key, name.queue)
    if name.kind == "scheduled":
        timers = [member for member in lives.keyspace.sorted_set(key) if member.startswith("~")]
        return f"timers of limits for which nobody waits: {timers}" if timers else ""
    if name.kind in _BUSY:
        return f"nobody runs or waits any more: {list(lives.keyspace.values[key])[:3]}"
    return "" if name.kind in _LASTING and not name.rest else "is nobody's, and has no end"


def _broken_keys(lives: Lives, key: str, queue: str) -> str:
    bad = []
    for coalescing, job_id in lives.keyspace.hash(key).items():
        life = lives.life(queue, job_id)
        if not life.exists or lives.record(life).get("key") != coalescing:
            bad.append(f"{coalescing} → {job_id}")
    return f"name jobs that are gone: {bad[:3]}" if bad else ""
