"""In which places the jobs of a worker's queues are: read once, before it begins.

Its daemon has it replaced when there are more (`daemon.leases.partition_watch`).
"""

from __future__ import annotations

from collections.abc import Sequence

from jqjobs.api.app import App
from jqjobs.base import log
from jqjobs.errors import ConfigError, Conflict, StoreError
from jqjobs.jobs.partitions import Partitions
from jqjobs.jobs.records import MAX_QUEUES
from jqjobs.jobs.registration import Settings
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.store.address import Address
from jqjobs.store.calls.partitions import partitions
from jqjobs.store.partitioning import repartition
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store

_TIMEOUT_S = 2.0


def served_places(address: Address, config: WorkerConfig, app: App) -> list[str]:
    """Return the places of the queues that a worker serves by name; without Redis, its queues.

    A queue gets the partitions that the app asks for when it has none. Raises: ConfigError.
    """
    queues = config.queues if config.queues or config.patterns else app.registry.queues()
    store = Store(address, timeout_s=_TIMEOUT_S, name=config.worker_id)
    try:
        for queue in [queue for queue in app.partitions if queue in queues or config.choice.has_turns(queue)]:
            _declare(store, queue, app.partitions[queue])
        found = store.run_all([partitions(queue) for queue in queues])
    except StoreError:
        return list(queues)
    finally:
        store.close()
    for queue, known in zip(queues, found, strict=True):
        if known:
            _tell_of_limits(queue, known, app)
    return _fitting(config, [known.places if known else [queue] for queue, known in zip(queues, found, strict=True)])


def _declare(store: Store, queue: str, count: int) -> None:
    known: Partitions | None = store.run(partitions(queue))
    if known is None:
        try:
            run_steps(store.run, repartition(queue, count))
        except Conflict:  # another worker is quicker
            return
    elif len(known.now) != count:
        hint = f"jqctl queue repartition {queue} {count}, or change the app"
        has = len(known.now)
        log.event("queue.partitions", level=log.WARNING, queue=queue, partitions=has, app=count, hint=hint)


def _tell_of_limits(queue: str, known: Partitions, app: App) -> None:
    jobs = {job.name for job in app.registry.jobs.values() if job.settings.queue == queue and _is_apart(job.settings)}
    if jobs:
        log.event("queue.limits", queue=queue, partitions=len(known.now), jobs=" ".join(sorted(jobs)))


def _is_apart(settings: Settings) -> bool:
    """Whether a limit of a job holds in each partition only: one by group does not, since a group is in one."""
    rules = [rule for rule in (settings.limits.rate, settings.limits.concurrency) if rule is not None]
    return any(settings.group is None or getattr(rule, "key", None) != settings.group for rule in rules)


def _fitting(config: WorkerConfig, by_queue: Sequence[Sequence[str]]) -> list[str]:
    places = [place for each in by_queue for place in each]
    most = MAX_QUEUES - bool(config.patterns)  # else none of these would ever have its turn
    if len(places) > most:
        largest = max(by_queue, key=len)[0]
        raise ConfigError(
            f"its queues and their partitions are {len(places)} places, a worker serves at most {most}",
            hint=f"give {largest} a daemon of its own: jqd --queues {largest}",
        )
    return places
