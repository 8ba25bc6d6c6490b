"""What must hold of the keys whatever the model says: true of one state, or of two that follow each other.

These know nothing of the model, so a mistake both there and in the scripts is still caught here.
"""

from __future__ import annotations

from property.state import FIELDS, QueueState, State

#: Places of the counters in a job's values; they never shrink.
GROWING = [FIELDS.index(name) for name in ("attempt", "failures", "crashes", "interrupts", "executions")]
FAILURES, KEY, HISTORY = FIELDS.index("failures"), len(FIELDS), len(FIELDS) + 1
MOST_HISTORY = 20


def check_state(state: State) -> None:
    """Check what is true at any moment."""
    for q in state.values():
        one_state_each(q)
        held_under_a_lease(q)
        keys_name_their_jobs(q)
        wakes_somebody(q)
        assert all(values[HISTORY] <= MOST_HISTORY for values in q.jobs.values())


def check_step(before: State, after: State) -> None:
    """Check what is true of two states with one call between them."""
    for name in after:
        counters_only_grow(before[name], after[name])
        places_are_kept(before[name], after[name])
        best_first(before[name], after[name])


def one_state_each(q: QueueState) -> None:
    """Every job is in exactly one set and has at most one holder; nothing is in a set without a record."""
    found = [job_id for members in (*q.sets.values(), *q.active.values()) for job_id in members]
    assert len(found) == len(set(found)), f"in two states: {sorted(i for i in set(found) if found.count(i) > 1)}"
    assert set(found) == q.jobs.keys(), f"lost or without a record: {set(found) ^ q.jobs.keys()}"


def held_under_a_lease(q: QueueState) -> None:
    assert q.active.keys() <= q.leases.keys(), "a worker without a lease holds jobs"


def keys_name_their_jobs(q: QueueState) -> None:
    """A coalescing key stands for a job that has it and has not ended, and such a job has its key."""
    ended = q.sets["dead"].keys() | q.sets["kept"].keys()
    alive = {values[KEY]: job_id for job_id, values in q.jobs.items() if values[KEY] and job_id not in ended}
    assert q.unique == alive


def wakes_somebody(q: QueueState) -> None:
    assert q.wake or q.paused or not q.sets["ready"], "work is ready and nobody is woken"


def counters_only_grow(before: QueueState, after: QueueState) -> None:
    for job_id in before.jobs.keys() & after.jobs.keys():
        old, new = before.jobs[job_id], after.jobs[job_id]
        assert all(new[place] >= old[place] for place in GROWING), f"a counter of {job_id} went back"
    assert all(new >= old for old, new in zip(before.meta, after.meta, strict=True))


def places_are_kept(before: QueueState, after: QueueState) -> None:
    """A rank changes only for what failed, or became ready by promotion or by a person's retry."""
    now = dict(after.sets["ready"])
    for held in after.active.values():
        now |= {job_id: rank for job_id, (rank, _) in held.items()}
    for job_id, rank in now.items():
        old = before.sets["ready"].get(job_id) or held_rank(before, job_id)
        if old and after.jobs[job_id][FAILURES] == before.jobs[job_id][FAILURES]:
            assert rank == old, f"{job_id} lost its place"


def held_rank(q: QueueState, job_id: str) -> int | None:
    return next((held[job_id][0] for held in q.active.values() if job_id in held), None)


def best_first(before: QueueState, after: QueueState) -> None:
    """What a worker got is ahead of all that stayed, and its attempt is one more than the last one."""
    for worker, held in after.active.items():
        got = {job_id: entry for job_id, entry in held.items() if job_id not in before.active.get(worker, {})}
        for job_id, (rank, attempt) in got.items():
            ahead = [other for other, its in after.sets["ready"].items() if its < rank]
            assert not ahead, f"{job_id} was taken before {ahead}"
            assert attempt == after.jobs[job_id][0] + 1
