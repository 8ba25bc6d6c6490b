"""The end of every story: obstacles are lifted, dead workers reaped, and one worker runs all that is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jqjobs.job import Kind
from jqjobs.store import calls
from property.choices import NAMES, QUEUES
from property.client import Client
from property.queue_model import LEASE_MS

if TYPE_CHECKING:
    from property.machine import Machine

MOST_TRIPS = 300


def lift_everything(m: Machine) -> None:
    """Make room, resume, let all be due, offer every name, and let the leases of the old workers run out."""
    m.set_limit(full=False)
    for queue in QUEUES:
        m.check(m.store.run(calls.pause(queue, resume=True)), m.model.pause(queue, resume=True))
    due = [at for queue in m.model.queues.values() for at in (*queue.scheduled.values(), *queue.leases.values())]
    m.clock.now_ms = max([m.now, *due])
    for _ in range(6):
        m.clock.now_ms += LEASE_MS // 4
        for queue in QUEUES:
            m.do_renew(queue, [], list(NAMES))
            m.do_housekeep(queue)


def run_everything(m: Machine) -> None:
    """Take and finish until nothing is left. Raises: AssertionError when something never comes."""
    last = Client("last", QUEUES)
    for queue in QUEUES:
        m.check(m.store.run(calls.join(queue, last.id, LEASE_MS)), m.model.join(queue, m.now, last.id))
    for _ in range(MOST_TRIPS):
        answer = m.deliver(last.packet(10, last.finish([Kind.DONE] * 10, 0), []))
        last.hear(answer)
        if not last.running and not answer.more:
            break
    for queue, state in m.before.items():
        left = {part: members for part, members in state.sets.items() if members and part not in ("dead", "kept")}
        assert not left, f"never run in queue {queue}: {left}"
        assert not state.active, f"still held in queue {queue}: {state.active}"
