"""A queue of the model of which no more than so many jobs may wait: what would be new is refused there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from property.job_model import New, Reply
from property.queue_model import Queue


def is_too_much(q: Queue, jobs: Sequence[New]) -> bool:
    """Whether these are refused, all of them."""
    is_new = _newcomers(q)
    return q.most is not None and sum(map(is_new, jobs)) > q.most - waiting(q)


def fitting(q: Queue, raw: Sequence[New | Reply | None]) -> int:
    """Return how many envelopes come before the first one that has no room."""
    if q.most is None:
        return len(raw)
    is_new, room = _newcomers(q), q.most - waiting(q)
    for n, item in enumerate(raw):
        if isinstance(item, New) and is_new(item):
            room -= 1
        if room < 0:
            return n
    return len(raw)


def waiting(q: Queue) -> int:
    """How many jobs of a queue wait; the timers of its limits and of its pause are no jobs."""
    held = sum(len(gate.held) for gate in q.gates.values())
    return len(q.ready) + len(q.scheduled) + held + len(q.parked) + len(q.suspects)


def _newcomers(q: Queue) -> Callable[[New], bool]:
    """Return what says whether a job adds one to those of the queue, after those that it was asked before."""
    ids, keys = {*q.jobs, *q.moved}, {key for key, holder in q.unique.items() if holder in q.jobs}

    def is_new(new: New) -> bool:
        if new.id in ids or (new.key and new.key in keys):
            return False
        ids.add(new.id)
        if new.key:
            keys.add(new.key)
        return True

    return is_new
