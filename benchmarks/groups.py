"""Fair groups: how long others wait behind a tenant with very many jobs, and what a group costs the server.

Costs are CPU of the server's main thread, as it counts it itself, while nobody else asks it for anything: jobs are sent
in calls of 500 and taken in trips of 250, without a daemon, by turns with and without groups.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import ledger
from figures import Figure, percentile
from jobs import turn
from jqjobs.jobs.groups import group_fields
from jqjobs.jobs.records import NewJob
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls import enqueueing, leases, trips
from stage import Stage, daemon, wait_until

NAME = "groups"
_TENANTS = 50
_A_CALL, _A_TRIP, _LEASE_MS = 500, 250, 600_000
_QUEUE = "costs"


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield how many jobs start before those of the others, and what each kind of group costs against none."""
    whale = 10_000 if stage.quick else 100_000
    waits = _waits(stage, whale)
    stage.clear()
    name = f"behind {whale:,} jobs of one tenant, {_TENANTS} others have one each: jobs that start before, p99"
    yield Figure(NAME, name, "jobs", (percentile(waits, 99),), target="< 60")
    yield from _costs(stage, 2_000 if stage.quick else 10_000)
    stage.clear()


def _waits(stage: Stage, whale: int) -> list[int]:
    """Return for each of the others how many jobs were started between its coming and its start."""
    cells = stage.new_ledger(_TENANTS + 1)  # the last one counts all that have begun
    with daemon("--queues", turn.queue):
        stage.pause(turn.queue)
        for at in range(0, whale, 10_000):
            turn.enqueue_many([(_TENANTS,)] * min(10_000, whale - at))
        stage.pause(turn.queue, resume=True)
        wait_until(lambda: stage.done(turn.queue) >= whale // 10, 60)
        stage.pause(turn.queue)
        wait_until(lambda: not stage.store.wire.call("KEYS", f"jq:{{{turn.queue}}}:active:*"), 60)
        before = cells[_TENANTS]
        turn.enqueue_many([(tenant,) for tenant in range(_TENANTS)])
        stage.pause(turn.queue, resume=True)
        wait_until(lambda: ledger.first_gap(cells) >= _TENANTS, 120)
    return [cells[tenant] - before - 1 for tenant in range(_TENANTS)]


class _Cost(NamedTuple):
    """µs a job."""

    enqueue: float
    drain: float


def _costs(stage: Stage, jobs: int) -> Iterator[Figure]:
    kinds = {"no group": 0, "one group": 1, f"{_TENANTS} groups": _TENANTS}
    found: dict[str, list[_Cost]] = {kind: [] for kind in kinds}
    order = deque(kinds)
    for _ in range(stage.repeats + 1):
        for kind in order:
            stage.clear()  # else a queue that had groups once is one that has them
            found[kind].append(_cost(stage, jobs, kinds[kind]))
        order.rotate(-1)  # the first one of a turn looks cheaper than it is: each is that in its turn
    plain, *grouped = (costs[1:] for costs in found.values())
    for kind, costs in zip(found, (plain, *grouped), strict=True):
        yield Figure(NAME, f"{kind}: enqueue, CPU of the server", "µs/job", tuple(cost.enqueue for cost in costs))
        yield Figure(NAME, f"{kind}: drain, CPU of the server", "µs/job", tuple(cost.drain for cost in costs))
    for kind, costs in zip(list(found)[1:], grouped, strict=True):
        ratios = tuple(sum(one) / sum(other) for one, other in zip(costs, plain, strict=True))
        yield Figure(NAME, f"{kind} against none, enqueue and drain", "ratio", ratios, target="≤ 1.15")


def _cost(stage: Stage, jobs: int, groups: int) -> _Cost:
    worker = secrets.token_hex(4)
    stage.store.run(leases.join(_QUEUE, worker, _LEASE_MS))
    calls = [[_job(n, groups) for n in range(at, at + _A_CALL)] for at in range(0, jobs, _A_CALL)]
    start_us = _cpu_us(stage)
    for call in calls:
        stage.store.run(enqueueing.enqueue(_QUEUE, call))
    between_us = _cpu_us(stage)
    number, done = 1, _trip(stage, worker, 1, [])
    while done:
        number += 1
        done = _trip(stage, worker, number, done)
    return _Cost((between_us - start_us) / jobs, (_cpu_us(stage) - between_us) / jobs)


def _job(number: int, groups: int) -> NewJob:
    fields = group_fields(f"t{number % groups}" if groups else None)
    return NewJob("noop", b'{"args":[1]}', id=f"job{number:08}", fields=fields)


def _trip(stage: Stage, worker: str, number: int, done: list[TakenJob]) -> list[TakenJob]:
    return stage.store.run(trips.exchange([_QUEUE], worker, number, _A_TRIP, _LEASE_MS, done=done)).jobs


def _cpu_us(stage: Stage) -> float:
    used = stage.info("cpu")
    return (float(used["used_cpu_user_main_thread"]) + float(used["used_cpu_sys_main_thread"])) * 1e6
