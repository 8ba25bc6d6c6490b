"""How a worker that has loaded its app begins: it publishes what that offers, says "ready", and waits for "go"."""

from __future__ import annotations

import time
from collections.abc import Sequence

from jqjobs.errors import StoreError, StoreRefused
from jqjobs.store.calls import leases, schedules
from jqjobs.store.calls.upkeep import add_queues
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
    queues, registry = parts.exchanger.order.queues, parts.app.registry
    by_turn = [queue for queue in registry.queues() if parts.config.choice.has_turns(queue)]
    plans = registry.schedules.entries([*queues, *by_turn])
    outage = Outage(parts.rng, worker=parts.config.worker_id)
    rotated_s = time.monotonic() + _ROTATION_S
    while not _is_to_end(parts):
        try:
            _publish(parts, [*queues, *by_turn], plans)
        except StoreError as error:
            is_rotated = may_pass(error, parts.store.address) and time.monotonic() < rotated_s
            if isinstance(error, StoreRefused) and not is_rotated:
                raise
            outage.note(error)
            parts.wake_wait.wait(outage.pause_s(), for_token=False)
            parts.instructions.hear()
            continue
        outage.end()
        names = _offered(parts, plans)
        unserved = [queue for queue in registry.queues() if queue not in (*queues, *by_turn)]
        parts.channel.send("ready", queues=queues, names=names, unserved=unserved, outbox=registry.outbox is not None)
        return _wait_for_go(parts)
    return False


def _publish(parts: WorkerParts, queues: Sequence[str], plans: dict[str, dict[str, str]]) -> None:
    """Publish what the app offers, and its schedules."""
    for queue in queues:
        parts.store.run(parts.offering.publication(queue))
    for queue, plan in plans.items():
        parts.store.run(schedules.plan(queue, parts.config.lease_ms, parts.config.app, plan))
    if queues:
        parts.store.run(add_queues(queues))  # the daemon looks for those that have turns among the known ones


def _offered(parts: WorkerParts, plans: dict[str, dict[str, str]]) -> list[str]:
    """Return what the daemon is to renew: the names of jobs, their signatures, and schedules."""
    app, catalog = parts.config.app, parts.offering.catalog
    offered = [each for queue, plan in plans.items() for name in plan for each in schedules.offers(queue, name, app)]
    return [*catalog, *leases.signature_offers(catalog), *offered]


def _wait_for_go(parts: WorkerParts) -> bool:
    while not _is_to_end(parts):
        parts.instructions.hear()
        if parts.instructions.may_begin:
            return True
        parts.wake_wait.wait(_LOOK_S, for_token=False)
    return False


def _is_to_end(parts: WorkerParts) -> bool:
    return parts.signals.draining or parts.channel.closed
