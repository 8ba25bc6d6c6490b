"""How a worker that has loaded its app begins: it publishes what that offers, says "ready", and waits for "go"."""

from __future__ import annotations

import time
from typing import Any

from jqjobs.errors import StoreError, StoreRefused
from jqjobs.store.calls import leases, schedules
from jqjobs.store.outage import Outage
from jqjobs.store.patience import may_pass
from jqjobs.worker.life.parts import WorkerParts

_LOOK_S = 5.0
#: Whoever changes a password may take so long from telling Redis to telling us.
_ROTATION_S = 5.0


def join(parts: WorkerParts) -> bool:
    """Publish the catalog, tell the daemon, and wait until it holds a lease for us; False: told to end before.

    Raises: StoreRefused. Any other trouble with Redis is waited out.
    """
    queues, registry = parts.exchanger.queues, parts.app.registry
    catalog, plans = registry.catalog(), parts.app.registry.schedules.entries(queues)
    outage = Outage(parts.rng, worker=parts.config.worker_id)
    rotated_s = time.monotonic() + _ROTATION_S
    while not _is_to_end(parts):
        try:
            _publish(parts, catalog, plans)
        except StoreError as error:
            is_rotated = may_pass(error, parts.store.address) and time.monotonic() < rotated_s
            if isinstance(error, StoreRefused) and not is_rotated:
                raise
            outage.note(error)
            parts.wake_wait.wait(outage.pause_s(), for_token=False)
            parts.instructions.hear()
            continue
        outage.end()
        app = parts.config.app
        offered = [
            each for queue, plan in plans.items() for name in plan for each in schedules.offers(queue, name, app)
        ]
        names = [*catalog, *leases.signature_offers(catalog), *offered]
        unserved = [queue for queue in registry.queues() if queue not in queues]
        parts.channel.send("ready", queues=queues, names=names, unserved=unserved, outbox=registry.outbox is not None)
        return _wait_for_go(parts)
    return False


def _publish(parts: WorkerParts, catalog: dict[str, dict[str, Any]], plans: dict[str, dict[str, str]]) -> None:
    """Publish what the app offers: any registered job may come from any queue, see `Job.options`; and its schedules."""
    lease_ms = parts.config.lease_ms
    for queue in parts.exchanger.queues:
        parts.store.run(leases.publish(queue, lease_ms, catalog, parts.app.registry.parameters(queue)))
    for queue, plan in plans.items():
        parts.store.run(schedules.plan(queue, lease_ms, parts.config.app, plan))


def _wait_for_go(parts: WorkerParts) -> bool:
    while not _is_to_end(parts):
        parts.instructions.hear()
        if parts.instructions.may_begin:
            return True
        parts.wake_wait.wait(_LOOK_S, for_token=False)
    return False


def _is_to_end(parts: WorkerParts) -> bool:
    return parts.signals.draining or parts.channel.closed
