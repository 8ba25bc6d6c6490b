"""Rate and concurrency limits in the model: who may start, who waits, who is the next to go.

Times are ms. `Queue` calls this where a limited job may start, ends, or has its moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from property.state import LimitState

if TYPE_CHECKING:
    from property.job_model import Job
    from property.queue_model import Queue

LOOKS, NEXT_LOOKS_MS, LOOK_AGAIN_MS, HEAL_MS = 10, 50, 5000, 30_000


class Limit(NamedTuple):
    kind: str
    most: int
    window: int
    name: str


@dataclass
class Gate:
    """What is known of a limit while jobs wait for it. ``going``: the one that was sent to ready."""

    starts: int = 0
    going: str = ""
    timer: int = 0
    held: dict[str, int] = field(default_factory=dict)
    patience: dict[str, int] = field(default_factory=dict)


@dataclass
class Wait:
    """Why a job is held. ``since``: how many the limit had let start."""

    limit: Limit
    since: int
    costs: bool


def limits_of(text: str) -> list[Limit]:
    words = text.split()
    four = [words[i : i + 4] for i in range(0, len(words) - 3, 4)]
    return [Limit(kind, int(most), int(window), name) for kind, most, window, name in four]


def opens_at(q: Queue, now: int, limit: Limit) -> float:
    if limit.kind == "c":
        return 0 if len(q.places.get(limit.name, ())) < limit.most else inf
    starts = q.starts.get(limit.name, [])
    if len(starts) < limit.most:
        return 0
    if starts[limit.most - 1] > now + limit.window:  # the clock went back
        kept = list(takewhile(lambda start: start <= now + limit.window, q.starts.pop(limit.name)))
        if kept:
            q.starts[limit.name] = kept
        return 0
    return starts[limit.most - 1] + limit.window + max(1, min(5, limit.window // 200))


def refusal(q: Queue, now: int, limits: list[Limit], rank: int) -> tuple[Limit | None, bool]:
    for limit in limits:
        if opens_at(q, now, limit) > now:
            return limit, False
        if any(other < rank for other in q.held_for(limit.name).values()):
            return limit, True
    return None, False


def patience_of(q: Queue, job: Job) -> tuple[int | None, bool]:
    entry, spans = q.catalog.get(job.name, {}), []
    if entry.get("max_throttles"):
        spans.append(entry["max_throttles"] - job.stands("throttles"))
    if entry.get("throttle_counts"):
        spans.append((q.option(job, "max_attempts") or 0) - job.stands("failures"))
    return min(spans, default=None), bool(entry.get("throttle_counts"))


def timer_at(q: Queue, now: int, limit: Limit) -> int:
    at = opens_at(q, now, limit)
    return tick_after(now, HEAL_MS) if at == inf else int(at)


def tick_after(now: int, ms: int) -> int:
    return -(-(now + ms) // ms) * ms


def wait_for(q: Queue, now: int, job_id: str, rank: int, limit: Limit, rest: int | None, *, costs: bool) -> bool:
    gate = q.gates.get(limit.name)
    if gate is None:
        gate = q.gates[limit.name] = Gate(timer=timer_at(q, now, limit))
    gate.held[job_id] = rank
    q.jobs[job_id].wait = Wait(limit, gate.starts, costs)
    if rest is not None:
        gate.patience[job_id] = gate.starts + rest * limit.most
    return gate.going == job_id


def leave_held(q: Queue, job_id: str) -> int | None:
    """Take a job out of the limit it waits for; return its rank, None when it waits for none."""
    job = q.jobs.get(job_id)
    if job is None or job.wait is None:
        return None
    limit, gate = job.wait.limit, q.gates[job.wait.limit.name]
    passed = (gate.starts - job.wait.since) // limit.most
    job.counters["throttles"] += passed
    job.counters["failures"] += passed * job.wait.costs
    job.wait = None
    gate.patience.pop(job_id, None)
    rank = gate.held.pop(job_id)
    if not gate.held:
        del q.gates[limit.name]
    return rank


def may_start(q: Queue, now: int, job_id: str) -> bool:
    """Whether a job of ready may start; one that may not waits then, or is dead."""
    job, rank = q.jobs[job_id], q.ready[job_id]
    limit, others_first = refusal(q, now, job.limits, rank)
    if limit is None:
        return True
    del q.ready[job_id]
    rest, costs = patience_of(q, job)
    job.counters["throttles"] += 1
    job.counters["failures"] += costs
    if rest is not None and rest <= 1:
        q.die(now, job_id, "throttled")
    else:
        wait_for(q, now, job_id, rank, limit, rest and rest - 1, costs=costs)
    pass_on(q, now, job_id, job.limits)
    if others_first:
        open_gate(q, now, limit.name)
    return False


def pass_on(q: Queue, now: int, job_id: str, limits: list[Limit]) -> None:
    for limit in limits:
        gate = q.gates.get(limit.name)
        if gate is not None and gate.going == job_id:
            gate.going = ""
            open_gate(q, now, limit.name)


def open_gate(q: Queue, now: int, name: str) -> None:
    gate = q.gates.get(name)
    if gate is None:
        return
    if gate.going in q.ready:
        gate.timer = tick_after(now, LOOK_AGAIN_MS)
        return
    for _ in range(LOOKS):
        if name not in q.gates or _consider(q, now, name, gate):
            return
    if name in q.gates:
        gate.timer = now + NEXT_LOOKS_MS


def _consider(q: Queue, now: int, name: str, gate: Gate) -> bool:
    """Look at the best that waits; True unless the next one is to be looked at."""
    job_id = min(gate.held, key=lambda each: (gate.held[each], each))
    job, rank, spent = q.jobs[job_id], gate.held[job_id], gate.patience.get(job_id)
    limit, _ = refusal(q, now, job.limits, rank)
    if limit is not None and limit.name == name:
        gate.timer = timer_at(q, now, limit)
        return True
    leave_held(q, job_id)
    if spent is not None and spent <= gate.starts:
        q.die(now, job_id, "throttled")
    elif limit is not None:
        rest, costs = patience_of(q, job)
        wait_for(q, now, job_id, rank, limit, rest, costs=costs)
    else:
        q.ready[job_id] = rank
        gate.going, gate.timer = job_id, tick_after(now, LOOK_AGAIN_MS)
        return True
    return False


def begin(q: Queue, now: int, job_id: str, attempt: int) -> None:
    """A limited job has started."""
    limits = q.jobs[job_id].limits
    for limit in limits:
        if limit.kind == "c":
            q.places.setdefault(limit.name, set()).add(f"{job_id} {attempt}")
        else:
            q.starts[limit.name] = [now, *q.starts.get(limit.name, [])][: limit.most]
    for limit in limits:
        _count_start(q, now, job_id, limit.name)


def _count_start(q: Queue, now: int, job_id: str, name: str) -> None:
    gate = q.gates.get(name)
    if gate is None:
        return
    gate.starts += 1
    gate.going = "" if gate.going == job_id else gate.going
    spent = sorted((at, each) for each, at in gate.patience.items() if at <= gate.starts)
    for _, each in spent[:LOOKS]:
        leave_held(q, each)
        q.die(now, each, "throttled")
    open_gate(q, now, name)


def free_places(
    q: Queue, now: int, job_id: str, attempt: int, limits: list[Limit], unrun_since: int | None = None
) -> None:
    """A limited job is out of a worker's hands, and where it goes from there; ``unrun_since``: without having run."""
    for limit in limits:
        if limit.kind == "c":
            q.places[limit.name].discard(f"{job_id} {attempt}")
        elif unrun_since in q.starts.get(limit.name, ()):
            q.starts[limit.name].remove(unrun_since)
            if not q.starts[limit.name]:
                del q.starts[limit.name]
        else:
            continue
        gate = q.gates.get(limit.name)
        is_first = gate is not None and job_id in q.ready and q.ready[job_id] < min(gate.held.values())
        if gate is not None and is_first and any(each.name == limit.name for each in q.jobs[job_id].limits):
            gate.going = job_id
        open_gate(q, now, limit.name)


def view(q: Queue) -> dict[str, LimitState]:
    """What the keys should show."""
    found: dict[str, LimitState] = {}
    for name, starts in q.starts.items():
        found.setdefault(name, LimitState()).starts = starts
    for name, places in q.places.items():
        if places:
            found.setdefault(name, LimitState()).places = places
    for name, gate in q.gates.items():
        limit = found.setdefault(name, LimitState())
        limit.held, limit.patience, limit.timer = gate.held, gate.patience, gate.timer
        limit.gate = (gate.starts, gate.going)
    return found
