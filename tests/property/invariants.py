"""What must hold of the keys whatever the model says: true of one state, or of two that follow each other.

These know nothing of the model, so a mistake both there and in the scripts is still caught here.
"""

from __future__ import annotations

from collections import Counter

from property.state import FIELDS, QueueState, State

#: Places of the counters in a job's values; they never shrink.
GROWING = [FIELDS.index(name) for name in ("attempt", "failures", "crashes", "interrupts", "executions", "throttles")]
FAILURES, ATTEMPT, CANCEL = (FIELDS.index(name) for name in ("failures", "attempt", "cancel"))
KEY, COALESCE, SUSPECT, REFUSED, GROUP, FAIR, HISTORY = range(len(FIELDS), len(FIELDS) + 7)
MOST_HISTORY = 20
#: Ranks of one priority.
BAND = 2**40


def check_state(state: State, refused: set[str]) -> None:
    """Check what is true at any moment. ``refused``: jobs whose arguments ever did not fit."""
    for q in state.values():
        one_state_each(q)
        in_hand_under_a_lease(q)
        keys_name_their_jobs(q, refused)
        misfits_are_parked(q)
        wakes_somebody(q)
        cancels_are_of_what_is_in_hand(q)
        what_is_held_has_a_moment(q)
        places_belong_to_what_runs(q)
        suspects_wait_apart(q)
        dead_jobs_are_counted(q)
        assert all(rank % BAND <= q.meta[0] for rank in q.sets["ready"].values()), "a number is ahead of the sequence"
        assert q.draining <= q.leases.keys(), "a worker is said to drain and has no lease"
        assert all(values[HISTORY] <= MOST_HISTORY for values in q.jobs.values())

    suspects_run_in_small_groups(state)
    nowhere_twice(state)


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


def nowhere_twice(state: State) -> None:
    """A job is in one queue, unless it is on its way out of the other."""
    settled = [job_id for q in state.values() for job_id in q.jobs if job_id not in q.sets["transfers"]]
    assert len(settled) == len(set(settled)), f"in two queues: {[i for i in set(settled) if settled.count(i) > 1]}"


def in_hand_under_a_lease(q: QueueState) -> None:
    assert q.active.keys() <= q.leases.keys(), "a worker without a lease has jobs in hand"


def keys_name_their_jobs(q: QueueState, refused: set[str]) -> None:
    """A key stands for a job that has it, and for which its mode lets it stand; a job that must have its key has it.

    A "queued" one that was taken once, and one that was parked for its arguments, may have lost its key to another one
    for good.
    """
    in_hand = {job_id for jobs in q.active.values() for job_id in jobs}
    over = {"": q.sets["dead"], "queued": {**q.sets["dead"], **dict.fromkeys(in_hand)}, "stored": {}}
    for key, job_id in q.unique.items():
        assert job_id in q.jobs, f"key {key} outlived its job"
        assert q.jobs[job_id][KEY] == key
    for job_id, values in q.jobs.items():
        may = bool(values[KEY]) and job_id not in over[values[COALESCE]] and job_id not in q.sets["kept"]
        may = may and job_id not in q.misfits
        must = (
            may
            and job_id not in q.sets["transfers"]
            and not (values[COALESCE] == "queued" and values[ATTEMPT])
            and job_id not in refused
        )
        has = q.unique.get(values[KEY]) == job_id
        assert must <= has <= may, f"{job_id} has its key: {has}"


def misfits_are_parked(q: QueueState) -> None:
    """What is parked after it was refused is a misfit, and nothing else is."""
    assert q.misfits.keys() == {job_id for job_id in q.sets["parked"] if q.jobs[job_id][REFUSED]}


def cancels_are_of_what_is_in_hand(q: QueueState) -> None:
    """What is cancelled in a worker's hands is marked there, and nothing else is."""
    cancelled = {job_id for job_id, values in q.jobs.items() if values[CANCEL]}
    in_hand = {(worker, job_id, attempt) for worker, jobs in q.active.items() for job_id, (_, attempt) in jobs.items()}
    assert q.cancels == {f"{worker} {job_id} {attempt}" for worker, job_id, attempt in in_hand if job_id in cancelled}
    assert cancelled <= {job_id for _, job_id, _ in in_hand}


def what_is_held_has_a_moment(q: QueueState) -> None:
    """What is held is held by one limit, in its rank; such a limit has a gate and a timer, and no other has."""
    held = [pair for limit in q.limits.values() for pair in limit.held.items()]
    assert sorted(held) == sorted(q.sets["held"].items())
    for name, limit in q.limits.items():
        assert bool(limit.held) == (limit.gate is not None) == (limit.timer is not None), f"the gate of {name}"
        assert limit.patience.keys() <= limit.held.keys(), f"patience of {name} for what is not held"


def places_belong_to_what_runs(q: QueueState) -> None:
    """No concurrency limit is exceeded, and a place is that of a job in a worker's hands, in this attempt."""
    running = {f"{job_id} {attempt}" for jobs in q.active.values() for job_id, (_, attempt) in jobs.items()}
    for name, most in (("one/running", 1), ("pair/running", 2)):
        places = q.limits[name].places if name in q.limits else set()
        assert len(places) <= most, f"{name}: {places}"
        assert places <= running, f"{name}: a place of what does not run"


def suspects_wait_apart(q: QueueState) -> None:
    """A suspect is never where it holds up what is none: in ready, or before a limit."""
    suspects = {job_id for job_id, values in q.jobs.items() if values[SUSPECT]}
    assert not suspects & (q.sets["ready"].keys() | q.sets["held"].keys())
    assert q.sets["suspects"].keys() <= suspects


def dead_jobs_are_counted(q: QueueState) -> None:
    """Every dead job is counted once, in the group that it names, and nothing else is; a sample is one of them."""
    groups = {job_id: values[GROUP] for job_id, values in q.jobs.items() if values[GROUP]}
    leaving = groups.keys() & q.sets["transfers"].keys()
    assert groups.keys() - leaving == q.sets["dead"].keys(), "dead and not counted, or counted and not dead"
    assert {group: entry[0] for group, entry in q.errors.items()} == Counter(groups.values())
    assert all(entry[3] == "-" or groups[entry[3]] == group for group, entry in q.errors.items())


def suspects_run_in_small_groups(state: State) -> None:
    """A worker has no more suspects in hand than each of them allows."""
    for worker in {worker for q in state.values() for worker in q.active}:
        allowed = [
            max(1, int(q.jobs[job_id][SUSPECT].split()[0]))
            for q in state.values() for job_id in q.active.get(worker, ()) if q.jobs[job_id][SUSPECT]
        ]  # fmt: skip
        assert len(allowed) <= min(allowed, default=0), f"{worker} has {len(allowed)} suspects of {allowed}"


def wakes_somebody(q: QueueState) -> None:
    assert q.wake or q.paused or not q.sets["ready"], "work is ready and nobody is woken"


def counters_only_grow(before: QueueState, after: QueueState) -> None:
    for job_id in before.jobs.keys() & after.jobs.keys():
        old, new = before.jobs[job_id], after.jobs[job_id]
        assert all(new[place] >= old[place] for place in GROWING), f"a counter of {job_id} went back"
    assert all(new >= old for old, new in zip(before.meta, after.meta, strict=True))


def places_are_kept(before: QueueState, after: QueueState) -> None:
    """A rank changes only for what failed, became ready by promotion or by a person's retry, or was replaced."""
    now = after.sets["ready"] | after.sets["held"] | after.sets["suspects"]
    for jobs in after.active.values():
        now |= {job_id: rank for job_id, (rank, _) in jobs.items()}
    for job_id, rank in now.items():
        waited = before.sets["ready"] | before.sets["held"] | before.sets["suspects"]
        old = waited.get(job_id) or held_rank(before, job_id)
        stayed = job_id in waited.keys() & (after.sets["ready"].keys() | after.sets["held"].keys())
        if old and not may_have_moved(before, after, job_id, stayed=stayed):
            assert rank == old, f"{job_id} lost its place"


def may_have_moved(before: QueueState, after: QueueState, job_id: str, *, stayed: bool) -> bool:
    old, new = before.jobs[job_id], after.jobs[job_id]
    return old[FAILURES] != new[FAILURES] or (stayed and bool(new[KEY]))


def held_rank(q: QueueState, job_id: str) -> int | None:
    return next((jobs[job_id][0] for jobs in q.active.values() if job_id in jobs), None)


def best_first(before: QueueState, after: QueueState) -> None:
    """What a worker got is ahead of all that stayed, and its attempt is one more than the last one.

    What was held may have become ready only after that.
    """
    for worker, jobs in after.active.items():
        got = {job_id: entry for job_id, entry in jobs.items() if job_id not in before.active.get(worker, {})}
        for job_id, (rank, attempt) in got.items():
            if after.jobs[job_id][SUSPECT]:
                continue  # they come before all others
            stayed = after.sets["ready"].keys() - before.sets["held"].keys()
            ahead = [other for other in stayed if after.sets["ready"][other] < rank]
            assert not ahead, f"{job_id} was taken before {ahead}"
            assert attempt == after.jobs[job_id][0] + 1
