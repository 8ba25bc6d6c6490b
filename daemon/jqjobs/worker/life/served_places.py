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
_Found = Partitions | StoreError | None


def served_places(address: Address, config: WorkerConfig, app: App) -> list[str]:
    """Return the places of the queues that a worker serves by name; of what Redis does not tell, the queues.

    A queue gets the partitions that the app asks for when it has none. Raises: ConfigError.
    """
    queues = config.queues if config.queues or config.patterns else app.registry.queues()
    store = Store(address, timeout_s=_TIMEOUT_S, name=config.worker_id)
    try:
        asked = [
            *queues,
            *(queue for queue in app.partitions if queue not in queues and config.choice.has_turns(queue)),
        ]
        found = dict(zip(asked, store.run_many([partitions(queue) for queue in asked]), strict=True))
        for queue in [queue for queue in app.partitions if queue in found]:
            found[queue] = _declare(store, queue, app.partitions[queue], found[queue])
    except StoreError:
        return list(queues)
    finally:
        store.close()
    by_queue = []
    for queue in queues:
        known = found[queue]
        if isinstance(known, Partitions):
            _tell_of_limits(queue, known, app)
        by_queue.append(known.places if isinstance(known, Partitions) else [queue])
    return _fitting(config, by_queue)


def _declare(store: Store, queue: str, count: int, known: _Found) -> _Found:
    """Have a queue have partitions if it has none, and return them; an error where its node of a cluster is lost."""
    if known is None:
        try:
            return run_steps(store.run, repartition(queue, count))
        except Conflict:  # another worker is quicker
            return store.run(partitions(queue))
        except StoreError as error:
            return error
    if isinstance(known, Partitions) and len(known.now) != count:
        hint = f"jqctl queue repartition {queue} {count}, or change the app"
        has = len(known.now)
        log.event("queue.partitions", level=log.WARNING, queue=queue, partitions=has, app=count, hint=hint)
    return known


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
