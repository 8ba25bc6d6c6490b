"""Jobs of the model that no live worker can run: parked, until somebody offers what they lack, or it is too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from property.job_model import Job, Report
    from property.queue_model import Queue

RETRY_MS, MOST_RETRY_MS = 500, 30_000
LATELY_MS = 3000


def unknown(q: Queue, now: int, job_id: str, rank: int) -> None:
    q.retake_key(job_id)
    if q.jobs[job_id].name in q.on_offer(now):
        q.put_off(job_id, rank, now + RETRY_MS)
    else:
        _park(q, now, job_id, rank)


def misfit(q: Queue, now: int, job_id: str, rank: int, report: Report) -> None:
    job = q.jobs[job_id]
    until, times, by = job.refused or (now + report.park_ms, 0, ())
    job.refused = until, times + 1, tuple(dict.fromkeys((*by, report.signature)))
    elsewhere = _is_offered_otherwise(q, now, job)
    if until <= now or not (report.is_checked or elsewhere):
        q.discard(now, job_id)
        return
    q.retake_key(job_id)
    if elsewhere:
        q.put_off(job_id, rank, now + min(MOST_RETRY_MS, RETRY_MS * 2**times))
    else:
        _park(q, now, job_id, rank)


def _park(q: Queue, now: int, job_id: str, rank: int) -> None:
    job = q.jobs[job_id]
    job.rank = rank
    q.parked[job_id] = now
    if job.refused:
        q.free_key(job_id)


def _is_offered_otherwise(q: Queue, now: int, job: Job) -> bool:
    offered = {name for name in q.on_offer(now) if name.startswith(f"{job.name} ")}
    return bool(offered - {f"{job.name} {signature}" for signature in (job.refused or (0, 0, ()))[2]})


def unpark(q: Queue, now: int) -> None:
    """Look at all where somebody offers what nobody offered, else at those that were parked just now."""
    is_lap, q.lap = q.lap, False
    for job_id in list(q.parked):
        job = q.jobs[job_id]
        if not (is_lap or q.parked[job_id] >= now - LATELY_MS):
            continue
        if _is_offered_otherwise(q, now, job) if job.refused else job.name in q.on_offer(now):
            del q.parked[job_id]
            q.give_back(job_id, job.rank)
            job.rank = 0
            _forgive(q, job_id, job)


def _forgive(q: Queue, job_id: str, job: Job) -> None:
    if job.refused:
        job.refused = job.refused[0], 0, job.refused[2]
        if job.key and q.unique.get(job.key) not in q.jobs:
            q.unique[job.key] = job_id


def end_overdue_misfits(q: Queue, now: int) -> None:
    for job_id in sorted(q.misfits(), key=lambda job_id: (q.misfits()[job_id], job_id)):
        if q.misfits()[job_id] <= now:
            del q.parked[job_id]
            q.die(now, job_id, "discarded")
