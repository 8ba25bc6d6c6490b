"""A queue of the model is paused, resumed by somebody, or resumes by itself when its moment has come."""

from __future__ import annotations

from property.queue_model import Queue


def pause(q: Queue, now: int, until: int | None, *, reason: str) -> bool:
    changed = q.paused is None
    q.served = None
    q.paused = now if q.paused is None else q.paused
    if changed or until is not None or reason:
        q.pause_ends = q.pause_timer = q.pause_ends if until is None else until
        return True
    return False


def pause_the_old_way(q: Queue, now: int) -> None:
    """Somebody who knows nothing of moments and reasons."""
    q.paused = now if q.paused is None else q.paused


def resume(q: Queue) -> bool:
    was_paused = q.paused is not None
    q.paused = q.pause_ends = q.pause_timer = None
    return was_paused


def end_pause(q: Queue, now: int) -> None:
    if q.paused is not None and q.pause_ends is not None and q.pause_ends <= now:
        resume(q)
