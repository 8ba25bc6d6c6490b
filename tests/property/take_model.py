"""How a worker takes jobs of the model."""

from __future__ import annotations

from property.limits_model import begin, may_start, opens_at, pass_on
from property.queue_model import Queue
from property.turns_model import note_taken


def take(
    q: Queue, now: int, worker: str, want: int, *, alone: bool, most: int = 0
) -> tuple[list[tuple[str, int]], bool]:
    """Return (id, attempt) of what is taken, and whether a limited job ends the whole take; what expired is passed.

    ``most``: so many jobs could start at once, beside what the worker has.
    """
    got: list[tuple[str, int]] = []
    while q.ready and len(got) < want:
        job_id = q.in_order()[0]
        job = q.jobs[job_id]
        if job.expires is not None and job.expires <= now:
            del q.ready[job_id]
            q.die(now, job_id, "expired")
            pass_on(q, now, job_id, job.limits)
            continue
        if job.limits and not may_start(q, now, job_id):
            continue
        if job.limits and (got or not alone) and len(got) >= most:
            return got, True
        _take(q, now, worker, job_id)
        got.append((job_id, job.attempt + 1))
    return got, False


def take_plain(q: Queue, now: int, worker: str, want: int) -> list[str]:
    """Return the ids of what is taken: the best ones, up to the first with more than a name and a payload."""
    got: list[str] = []
    for job_id in q.in_order()[:want]:
        if q.jobs[job_id].has_more:
            break
        _take(q, now, worker, job_id)
        got.append(job_id)
    return got


def _take(q: Queue, now: int, worker: str, job_id: str) -> None:
    rank = q.ready.pop(job_id)
    note_taken(q, rank)
    hand_out(q, now, worker, job_id, rank)


def hand_out(q: Queue, now: int, worker: str, job_id: str, rank: int) -> None:
    job = q.jobs[job_id]
    q.active.setdefault(worker, {})[job_id] = (rank, job.attempt + 1)
    if job.coalesce == "queued":
        q.free_key(job_id)
    if job.limits:
        begin(q, now, job_id, job.attempt + 1)


def take_suspects(q: Queue, now: int, worker: str, most: int, scope: int) -> list[tuple[str, int]]:
    """Return (id, attempt) of the suspects that are taken: as many as each of them allows to run at once."""
    got: list[tuple[str, int]] = []
    limited = False
    for job_id in sorted(q.suspects, key=lambda each: (q.suspects[each], each)):
        job = q.jobs[job_id]
        if len(got) >= most:
            break
        if job.expires is not None and job.expires <= now:
            del q.suspects[job_id]
            q.die(now, job_id, "expired")
            continue
        own, own_scope = map(int, job.suspect.split())
        if own_scope > scope or len(got) >= max(1, own) or (job.limits and limited):
            continue
        if any(opens_at(q, now, limit) > now for limit in job.limits):  # only now: it forgets starts of the future
            continue
        got.append((job_id, job.attempt + 1))
        most, limited = min(most, own), limited or bool(job.limits)
    for job_id, _ in got:
        hand_out(q, now, worker, job_id, q.suspects.pop(job_id))
    return got
