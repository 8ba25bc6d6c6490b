"""How a worker takes jobs of the model."""

from __future__ import annotations

from property.limits_model import begin, may_start, pass_on
from property.queue_model import Queue


def take(
    q: Queue, now: int, worker: str, want: int, *, alone: bool, free: int = 0
) -> tuple[list[tuple[str, int]], bool]:
    """Return (id, attempt) of what is taken, and whether a suspect ends the whole take; what expired is passed.

    ``free``: so many jobs could start at once, beside what the worker has.
    """
    got: list[tuple[str, int]] = []
    while q.ready and len(got) < want:
        job_id = q.in_order()[0]
        job = q.jobs[job_id]
        if job.expires is not None and job.expires <= now:
            del q.ready[job_id]
            q.die(now, job_id)
            pass_on(q, now, job_id, job.limits)
            continue
        if job.limits and not may_start(q, now, job_id):
            continue
        by_itself = job.suspect or bool(job.limits)
        if by_itself and (got or not alone) and (job.suspect or len(got) >= free):
            return got, True
        q.active.setdefault(worker, {})[job_id] = (q.ready.pop(job_id), job.attempt + 1)
        got.append((job_id, job.attempt + 1))
        if job.coalesce == "queued":
            q.free_key(job_id)
        if job.limits:
            begin(q, now, job_id, job.attempt + 1)
        if by_itself:
            return got, True
    return got, False
