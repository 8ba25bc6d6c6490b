"""How a worker that has loaded its app begins: it publishes what that offers, says "ready", and waits for "go".

It begins without the queues of a node of a cluster that is lost, or takes no writes; once they are served again it is
replaced (`daemon.leases.partition_watch`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from jqjobs.base import log
from jqjobs.errors import StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.call import Call
from jqjobs.store.calls import leases, schedules
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.outage import Outage
from jqjobs.store.patience import may_pass
from jqjobs.store.store import Store
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
            missing = _publish(parts, [*queues, *by_turn], plans)
        except StoreError as error:
            is_rotated = may_pass(error, parts.store.address) and time.monotonic() < rotated_s
            if isinstance(error, StoreRefused) and not is_rotated:
                raise
            outage.note(error)
            parts.wake_wait.wait(outage.pause_s(), for_token=False)
            parts.instructions.hear()
            continue
        outage.end()
        _leave_out(parts, missing)
        unserved = [queue for queue in registry.queues() if queue not in (*queues, *by_turn)]
        parts.channel.send(
            "ready", queues=parts.exchanger.order.queues, missing=list(missing), names=_offered(parts, plans),
            unserved=unserved, outbox=registry.outbox is not None,
        )  # fmt: skip
        return _wait_for_go(parts)
    return False


def _leave_out(parts: WorkerParts, missing: Mapping[str, StoreError]) -> None:
    """Begin without these queues, if there are any, and say why."""
    order, worker = parts.exchanger.order, parts.config.worker_id
    for queue in missing.keys() & {*order.queues}:
        order.leave(queue)
    if missing:
        left_out, why = ",".join(missing), str(next(iter(missing.values())))
        log.event("queues.left_out", level=log.WARNING, worker=worker, queues=left_out, error=why)


def _publish(parts: WorkerParts, queues: Sequence[str], plans: dict[str, dict[str, str]]) -> dict[str, StoreError]:
    """Publish what the app offers, and its schedules; return the queues of a cluster where that could not be, and why.

    Raises: StoreError when it could not be anywhere.
    """
    calls: list[tuple[str, Call[Any]]] = [(queue, parts.offering.publication(queue)) for queue in queues]
    for queue, plan in plans.items():
        calls.append((queue, schedules.plan(queue, parts.config.lease_ms, parts.config.app, plan)))
    answers = zip(calls, parts.store.run_many([call for _, call in calls]), strict=True)
    problems = {queue: answer for (queue, _), answer in answers if isinstance(answer, StoreError)}
    is_cluster = parts.store.address.cluster is not None
    for error in problems.values():
        if not (is_cluster and isinstance(error, StoreUnavailable)) or len(problems) == len(queues):
            raise error
    if queues:
        _add(parts.store, queues)
    return problems


def _add(store: Store, queues: Sequence[str]) -> None:
    """Have queues known: daemons look for those that have turns among these."""
    try:
        store.run(add_queues(queues))
    except StoreUnavailable:
        if store.address.cluster is None:
            raise  # else their daemon says it with each renewal


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
