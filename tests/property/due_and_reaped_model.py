"""What time does to a queue of the model: promotion, reaping, deadlines."""

from __future__ import annotations

from math import ceil

from property.dead_worker_model import end_worker
from property.limits_model import open_gate
from property.pause_model import end_pause
from property.queue_model import LEASE_MS, Queue
from property.state import PAUSE_TIMER


def promote(q: Queue, now: int, most: int) -> None:
    timers = [(gate.timer, "~" + name) for name, gate in q.gates.items()]
    if q.pause_timer is not None:
        timers.append((q.pause_timer, PAUSE_TIMER))
    due = sorted([*((at, job_id) for job_id, at in q.scheduled.items()), *timers])
    for at, job_id in due[:most]:
        if at > now:
            break
        if job_id == PAUSE_TIMER:
            q.pause_timer = None
            end_pause(q, now)
            continue
        if job_id.startswith("~"):
            open_gate(q, now, job_id[1:])
            continue
        del q.scheduled[job_id]
        q.give_back(job_id, q.jobs[job_id].rank or q.fresh_rank(job_id))
        q.jobs[job_id].rank = 0


def reap(q: Queue, now: int, me: str, most: int, *, is_wake: bool = False) -> int:
    gap = now - q.reaped
    if 0 <= gap < LEASE_MS / (3 if is_wake else 30):
        return 0
    if abs(gap) > LEASE_MS / 3:
        q.reaped = now
        _amnesty(q, now, went_back=gap < 0)
        return 0
    q.reaped = max(q.reaped, now)
    over = sorted((until, worker) for worker, until in q.leases.items() if until <= now)[: most + 2]
    others = [worker for _, worker in over if worker != me]
    for worker in others[:most]:
        end_worker(q, now, worker, None)
    if len(others) > most:
        q.reaped = now - ceil(LEASE_MS / 30)
    return min(most, len(others))


def _amnesty(q: Queue, now: int, *, went_back: bool) -> None:
    if went_back:
        q.offers.clear()
        q.offered_until.clear()
    for worker, until in q.leases.items():
        q.leases[worker] = now + LEASE_MS if went_back else max(until, now + LEASE_MS)


def pass_deadlines(q: Queue, now: int) -> None:
    for job_id in sorted(q.waiting, key=lambda job_id: (q.waiting[job_id], job_id)):
        if q.waiting[job_id] <= now:
            q.end_wait(now, job_id, "deadline")
