"""The end of every story: obstacles are lifted, dead workers reaped, and one worker runs all that is left."""

from __future__ import annotations

from jqjobs.jobs.blame import Scope
from jqjobs.jobs.records import Kind
from property.choices import NAMES, QUEUES
from property.client import Client
from property.queue_model import LEASE_MS, Queue
from property.system import System

MOST_TRIPS = 300


def lift_everything(s: System) -> None:
    """Make room, resume, let all be due and the old leases run out; offer every name, with a function nobody had."""
    s.set_limit(full=False)
    for queue in QUEUES:
        s.resume(queue)
        s.bound(queue, None)
        s.ingest(queue)
        while s.model.queues[queue].transfers:  # those that left before the clock went back come second
            s.deliver_all(queue)
    for _ in range(2):  # what is lost with the leases waits once more
        far = [at for q in s.model.queues.values() for at in waits_until(q)]
        s.clock.now_ms = max([s.now, *far])
        for _ in range(6):
            s.clock.advance(LEASE_MS // 4)
            s.renew(QUEUES, [], [*NAMES, *(f"{name} new" for name in NAMES)])
            for queue in QUEUES:
                s.housekeep(queue)


def waits_until(q: Queue) -> list[int]:
    return [*q.scheduled.values(), *q.waiting.values(), *q.leases.values()]


def run_everything(s: System) -> None:
    """Take and finish until nothing is left. Raises: AssertionError when something never comes."""
    last = Client("last", QUEUES)
    for queue in QUEUES:
        s.join(queue, last.id)
    for _ in range(MOST_TRIPS):
        answer = s.deliver(last.packet(10, last.finish([Kind.DONE] * 10, 0), [], free=9, suspects=(10, Scope.HOST)))
        last.hear(answer)
        if last.running or answer.more:
            continue
        if not any(queue.sets["held"] or queue.sets["suspects"] for queue in s.before.values()):
            break  # else a limit lets them start later
        s.clock.advance(answer.wait_ms or 1000)
    for queue, state in s.before.items():
        left = {part: members for part, members in state.sets.items() if members and part not in ("dead", "kept")}
        assert not left, f"never run in queue {queue}: {left}"
        assert not state.active, f"still in hand in queue {queue}: {state.active}"
