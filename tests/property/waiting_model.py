"""How a job of the model waits for a third party, and what an answer does."""

from __future__ import annotations

from property.job_model import Reply
from property.queue_model import Queue


def expect(q: Queue, worker: str, job_id: str, attempt: int, token: str) -> bool:
    """A running attempt records a token."""
    in_hand = q.active.get(worker, {}).get(job_id)
    if in_hand is None or in_hand[1] != attempt:
        return False
    q.jobs[job_id].token = (attempt, token)
    return True


def resolve(q: Queue, now: int, answer: Reply, *, is_trusted: bool) -> str:
    """Take an answer; return what is said of it."""
    job = q.jobs.get(answer.id)
    if job is None:
        return "unknown"
    if answer.id in q.waiting:
        forgotten = is_trusted and not answer.token
        if not forgotten and (not answer.token or job.token != (job.attempt, answer.token)):
            return "token"
        if q.waiting[answer.id] <= now:
            q.end_wait(now, answer.id, "deadline")
            return "late"
        q.end_wait(now, answer.id, answer.kind)
        return "resolved"
    if not answer.token or job.token[0] != job.attempt + 1:
        return _state(q, answer.id)
    if job.token[1] != answer.token:
        return "token"
    if job.answer[0] == job.attempt + 1:
        return "answered"
    job.answer = (job.attempt + 1, answer.kind)
    return "early"


def _state(q: Queue, job_id: str) -> str:
    sets = q.view().sets
    if job_id in q.transfers:
        return "moving"
    return next((name for name, members in sets.items() if job_id in members), "active")
