"""What is told of queues to Prometheus: one place for all of it, since sums over many daemons would count it twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from jqjobs.base.exposition import Family, Histogram, Metric
from jqjobs.jobs.scaling import LEAD_S, UNBOUNDED, Rules, decide
from jqjobs.jobs.statistics import BOUNDS_MS
from jqjobs.store.reads.deploys import read_deploys
from jqjobs.store.reads.loads import Loads, loads_of
from jqjobs.store.reads.memory import used_memory
from jqjobs.store.reads.queues import QueueStatus, known_places, queue_status
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.reads.statistics import NameStatistics, queue_statistics
from jqjobs.store.store import Store

STATES = ("inbox", "ready", "scheduled", "active", "held", "waiting", "parked", "suspects", "kept", "dead")
_BOUNDS_S = tuple(bound / 1000 for bound in BOUNDS_MS)

_JOBS = Family("jqjobs_jobs", "gauge", "Jobs of a queue in each state.", ("queue", "state"))
_OLDEST = Family(
    "jqjobs_oldest_ready_seconds", "gauge", "For how long the oldest ready job could have run.", ("queue",)
)
_PAUSED = Family("jqjobs_paused", "gauge", "1 while a queue is paused.", ("queue",))
_EXECUTIONS = Family(
    "jqjobs_executions_total", "counter", "Attempts that have ended, and how.", ("queue", "job", "outcome")
)
_RUNS = Family("jqjobs_run_seconds", "histogram", "How long attempts ran.", ("queue", "job"))
_WAITS = Family(
    "jqjobs_wait_seconds", "histogram", "How long jobs waited from being due to their start.", ("queue", "job")
)
_WORKERS = Family("jqjobs_workers", "gauge", "Workers of all daemons in each state.", ("state",))
_WANTED = Family("jqjobs_wanted_workers", "gauge", "Workers that would do all jobs of a queue within 30 s.", ("queue",))
_MEMORY = Family("jqjobs_redis_used_bytes", "gauge", "Memory that Redis uses.")
_DEPLOYED = Family(
    "jqjobs_last_deploy_timestamp_seconds", "gauge", "When the release that was deployed last began to run."
)
#: All of them, in the order in which they are told.
FAMILIES = (_JOBS, _OLDEST, _PAUSED, _EXECUTIONS, _RUNS, _WAITS, _WORKERS, _WANTED, _MEMORY, _DEPLOYED)


def queue_metrics(store: Store, statuses: Sequence[QueueStatus] | None = None) -> list[Metric]:
    """Return what there is to tell of all queues and workers by now. Raises: StoreError.

    ``statuses``: of all queues, where they are counted already.
    """
    if statuses is None:
        statuses = store.run_all([queue_status(place) for place in known_places(store)])
    statuses = [place for one in statuses for place in one.partitions or (one,)]
    return [
        *_of_queues(statuses), *_of_names(queue_statistics(store, [one.name for one in statuses])), _workers(store),
        _wanted_workers(loads_of(store, statuses, LEAD_S)), *_memory(store), *_last_deploy(store),
    ]  # fmt: skip


def _of_queues(statuses: Sequence[QueueStatus]) -> Iterator[Metric]:
    yield _JOBS.of([((one.name, state), getattr(one, state)) for one in statuses for state in STATES])
    yield _OLDEST.of([((one.name,), one.oldest_ready_s or 0.0) for one in statuses])
    yield _PAUSED.of([((one.name,), int(one.paused_ms is not None)) for one in statuses])


def _of_names(statistics: Sequence[NameStatistics]) -> Iterator[Metric]:
    yield _EXECUTIONS.of(
        [((one.queue, one.name, end.value), count) for one in statistics for end, count in one.ended.items()]
    )
    yield _RUNS.of([((one.queue, one.name), Histogram(_BOUNDS_S, one.runs, one.run_ms / 1000)) for one in statistics])
    yield _WAITS.of(
        [((one.queue, one.name), Histogram(_BOUNDS_S, one.waits, one.wait_ms / 1000)) for one in statistics]
    )


def _workers(store: Store) -> Metric:
    states = Counter(worker.state for daemon in read_registry(store).daemons for worker in daemon.workers)
    return _WORKERS.of([((state,), count) for state, count in sorted(states.items())])


def _wanted_workers(loads: Loads) -> Metric:
    return _WANTED.of(
        [((queue,), decide(load, Rules(most=UNBOUNDED)).wanted) for queue, load in loads.by_queue.items()]
    )


def _memory(store: Store) -> Iterator[Metric]:
    used_bytes = used_memory(store)
    if used_bytes is not None:
        yield _MEMORY.alone(used_bytes)


def _last_deploy(store: Store) -> Iterator[Metric]:
    for latest in read_deploys(store)[:1]:
        yield _DEPLOYED.alone(latest.at_ms / 1000)
