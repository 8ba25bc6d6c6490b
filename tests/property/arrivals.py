"""How calls come into a queue of the model: as new jobs, or in the place of one that waits under their key."""

from __future__ import annotations

from dataclasses import replace

from property.job_model import Job, New
from property.limits_model import leave_held, limits_of
from property.queue_model import Queue
from property.turns_model import turn


def add(q: Queue, now: int, new: New, sequence: int) -> tuple[str, str]:
    """Return the id that stands for a call, and whether that is created, replaced or there already."""
    if new.id in q.jobs or new.id in q.moved:
        return new.id, "there"
    if q.unique.get(new.key) in q.jobs:
        holder = q.unique[new.key]
        return holder, "replaced" if new.replace and _replace(q, now, holder, new, sequence) else "there"
    q.jobs[new.id] = Job(new.name)
    _say(q.jobs[new.id], now, new)
    if new.key:
        q.unique[new.key] = new.id
    _place(q, now, new.id, new, sequence)
    return new.id, "created"


def _say(job: Job, now: int, new: New) -> None:
    job.name, job.priority, job.key, job.options = new.name, new.priority, new.key, new.options
    job.fair = new.fair
    job.expires = None if new.expires is None else now + new.expires
    job.coalesce = (new.key and new.coalesce) or "unfinished"
    job.limits = limits_of(new.limits)
    job.has_more = job.has_more or bool(new.key or new.options or new.expires is not None or new.limits)


def _place(q: Queue, now: int, job_id: str, new: New, sequence: int, rank: int = 0) -> None:
    """``rank``: its old one; 0: it gets a new one."""
    if new.delay:
        q.scheduled[job_id] = now + new.delay
    else:
        q.ready[job_id] = rank or turn(q, new.priority, new.fair, sequence)


def _replace(q: Queue, now: int, job_id: str, new: New, sequence: int) -> bool:
    """Let a job that waits become another call, in its place if it has one; False when it has started."""
    job = q.jobs[job_id]
    place = q.ready.pop(job_id, None) or q.suspects.pop(job_id, None) or leave_held(q, job_id)
    if place is None and q.scheduled.pop(job_id, None) is None and q.parked.pop(job_id, None) is None:
        return False
    place = (place or job.rank) if (new.priority, new.fair) == (job.priority, job.fair) else 0
    _say(job, now, new)
    job.clear()
    job.rank = 0
    _place(q, now, job_id, new, sequence, place)
    return True


def as_registered(q: Queue, new: New) -> New:
    """Return an envelope with what it leaves to its job's registration."""
    entry = q.catalog.get(new.name, {})
    mode = entry.get("coalesce") if new.coalesce is None else new.coalesce
    replaces = entry.get("replace") if new.replace is None else new.replace
    delay = entry.get("delay_ms", 0) if new.delay is None else new.delay
    return replace(new, delay=delay, coalesce=mode, replace=bool(replaces), limits="")
