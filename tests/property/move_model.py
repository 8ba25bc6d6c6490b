"""Jobs of the model on their way from one queue to another, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from jqjobs.store.calls.moves import Sent
from jqjobs.store.calls.transfers import Delivered
from property.job_model import Job
from property.limits_model import leave_held, pass_on
from property.queue_model import Queue, Transfer

MOST_READ_MS = 30_000
REMEMBERED_MS, ACKNOWLEDGED_MS = 30 * 86_400_000, 60_000
ANSWERS = (Delivered.DELIVERED, Delivered.ID_TAKEN, Delivered.KEY_TAKEN)


@dataclass
class Parcel:
    """A job on its way, as it was read."""

    id: str
    transfer: Transfer
    job: Job
    has_key: bool


def move(q: Queue, now: int, target: str, job_id: str) -> Sent:
    if job_id not in q.jobs:
        return Sent.UNKNOWN
    if job_id in q.transfers:
        return Sent.MOVING_ALREADY
    found = _leave_set(q, now, job_id)
    if found is None:
        return Sent.STAYS
    q.seq += 1
    q.transfers[job_id] = now
    q.moving[job_id] = Transfer(f"{now}-{q.seq}", target, *found)
    return Sent.MOVING


def _leave_set(q: Queue, now: int, job_id: str) -> tuple[str, int] | None:
    rank = leave_held(q, job_id)
    if rank is not None:
        return "ready", rank
    for state in ("ready", "scheduled", "suspects", "parked", "dead"):
        score = getattr(q, state).pop(job_id, None)
        if score is not None:
            if state == "ready":
                pass_on(q, now, job_id, q.jobs[job_id].limits)
            return state, score
    return None


def read(q: Queue, now: int, ids: Sequence[str]) -> list[Parcel]:
    """Read these; without any all that have left by now, or else those that left before the clock went back."""
    oldest_first = sorted(q.transfers, key=lambda job_id: (q.transfers[job_id], job_id))
    oldest_first = [job_id for job_id in oldest_first if q.transfers[job_id] <= now] or oldest_first
    return [
        Parcel(job_id, q.moving[job_id], deepcopy(q.jobs[job_id]), q.unique.get(q.jobs[job_id].key) == job_id)
        for job_id in (ids or oldest_first) if job_id in q.transfers
    ]  # fmt: skip


def deliver(q: Queue, now: int, source: str, read_ms: int, parcels: Sequence[Parcel]) -> list[Delivered]:
    if abs(now - read_ms) > MOST_READ_MS:
        return [Delivered.LATE for _ in parcels]
    return [_arrive(q, now, source, deepcopy(parcel)) for parcel in parcels]


def _arrive(q: Queue, now: int, source: str, parcel: Parcel) -> Delivered:
    token, job = f"{source} {parcel.transfer.token}", parcel.job
    for before in ANSWERS:
        if remembered(token, before) in q.arrived:
            return before
    is_key_free = q.unique.get(job.key) not in q.jobs
    answer = Delivered.DELIVERED
    if parcel.id in q.jobs:
        answer = Delivered.ID_TAKEN
    elif parcel.has_key and not is_key_free:
        answer = Delivered.KEY_TAKEN
    q.arrived[remembered(token, answer)] = now + REMEMBERED_MS
    if answer is Delivered.DELIVERED:
        _settle_in(q, now, parcel, is_key_free=is_key_free)
    return answer


def remembered(token: str, answer: Delivered) -> str:
    return token if answer is Delivered.DELIVERED else f"{token} {int(answer)}"


def _settle_in(q: Queue, now: int, parcel: Parcel, *, is_key_free: bool) -> None:
    job = parcel.job
    job.rank, job.refused, job.token, job.answer, job.wait = 0, None, (0, ""), (0, ""), None
    q.moved.pop(parcel.id, None)
    q.jobs[parcel.id] = job
    if is_key_free and (parcel.has_key or (job.key and parcel.transfer.state == "parked")):
        q.unique[job.key] = parcel.id
    if parcel.transfer.state in ("dead", "scheduled"):
        getattr(q, parcel.transfer.state)[parcel.id] = parcel.transfer.score
        if parcel.transfer.state == "dead":
            q.count_death(now, parcel.id, job.group)
    else:
        q.give_back(parcel.id, q.fresh_rank(parcel.id))


def conclude(q: Queue, now: int, job_id: str, token: str, *, is_there: bool) -> bool:
    if job_id not in q.transfers or q.moving[job_id].token != token:
        return False
    del q.transfers[job_id]
    transfer = q.moving.pop(job_id)
    if is_there:
        if q.jobs[job_id].group:
            q.uncount_death(job_id)
        q.forget(job_id)
        q.moved[job_id] = transfer.target
    else:
        _come_back(q, now, job_id, transfer)
    return True


def _come_back(q: Queue, now: int, job_id: str, transfer: Transfer) -> None:
    if transfer.state in ("ready", "suspects"):
        q.give_back(job_id, transfer.score)
    elif transfer.state == "parked":
        q.parked[job_id] = now
    else:
        getattr(q, transfer.state)[job_id] = transfer.score


def acknowledge(q: Queue, now: int, source: str, tokens: Sequence[str]) -> int:
    known = {remembered(f"{source} {token}", answer) for token in tokens for answer in ANSWERS} & q.arrived.keys()
    q.arrived |= dict.fromkeys(known, now + ACKNOWLEDGED_MS)
    return len(q.arrived)
