"""Gathers what the checks look at, in some round trips for all queues together.

What Redis or its user may not tell is noted with the reason, and goes without; a Redis that is away ends it all.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from jqjobs.cli.doctor.this_host import redis_host, workers_elsewhere
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.jobs.selector import Selector
from jqjobs.operations.doctor.facts import Facts, QueueFacts, ServerFacts
from jqjobs.operations.status import StatusReport, read_status
from jqjobs.store.calls.schedules import agenda
from jqjobs.store.reads.diagnosis import died_since, lease_deadlines
from jqjobs.store.reads.error_groups import ErrorGroup, error_groups
from jqjobs.store.reads.limits import held_limits
from jqjobs.store.reads.memory import fullest, memory_of
from jqjobs.store.reads.queues import QueueStatus, server_now_ms
from jqjobs.store.reads.raw import rejected_page
from jqjobs.store.reads.registry import Registry
from jqjobs.store.reads.rosters import offered_names
from jqjobs.store.reads.search import Cursor, search
from jqjobs.store.reads.server_info import read_infos
from jqjobs.store.reads.servers import server_name
from jqjobs.store.sentinels import Place
from jqjobs.store.store import Store

T = TypeVar("T")

#: Round trips that are timed.
_PINGS = 9
#: So many jobs of a queue are looked at, and refused envelopes, which may be large.
_MOST_JOBS, _MOST_ENVELOPES = 100, 20
_HOUR_MS = 3_600_000
_NO_INFO = "Redis does not answer INFO to this user"
#: A lease is renewed every third of it; nobody registers a shorter one than this.
_LEAST_LEASE_MS = 1000


class Gathering:
    """One look at everything. ``refused``: kind of facts → why there are none."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refused: dict[str, str] = {}

    def facts(self) -> Facts:
        """Return all facts. Raises: StoreUnavailable."""
        nothing = StatusReport(str(self._store.address), Registry(0, ()), (), {})
        server = self._server()
        status = self._ask("registry", lambda: read_status(self._store), nothing)
        queues = self._queues(status.queues, status.registry)
        elsewhere = workers_elsewhere(self._store.address)
        server = server._replace(cluster=status.cluster)
        return Facts(server, status.registry, queues, status.broken, self.refused, elsewhere)

    def _ask(self, kind: str, look: Callable[[], T], otherwise: T) -> T:
        try:
            return look()
        except StoreUnavailable:
            raise
        except StoreError as error:
            self.refused[kind] = error.message
            return otherwise

    def _server(self) -> ServerFacts:
        nothing: dict[Place, dict[str, str]] = {}
        infos = self._ask("info", lambda: read_infos(self._store), nothing)
        if not infos:
            self.refused["info"] = _NO_INFO
        info = fullest(infos.values()) if infos else {}
        memory = self._ask("memory", lambda: memory_of(self._store, info), None)
        round_trip_ms, ahead_s = _timed(self._store)
        host = redis_host(info)
        nodes = {server_name(place): found for place, found in infos.items()}
        return ServerFacts(str(self._store.address), info, memory, round_trip_ms, ahead_s, *host, nodes=nodes)

    def _queues(self, found: Sequence[QueueStatus], registry: Registry) -> list[QueueFacts]:
        store, by_name = self._store, {status.name: status for status in found}
        parked = [name for name, status in by_name.items() if status.parked]
        held = [name for name, status in by_name.items() if status.held]
        now_ms = registry.now_ms

        def told(kind: str, names: Sequence[str], look: Callable[[Sequence[str]], Sequence[T]]) -> Mapping[str, T]:
            return self._ask(kind, lambda: dict(zip(names, look(names), strict=True)), {})

        names_of = told("parked", parked, self._parked_names)
        offered = told("parked", parked, lambda names: offered_names(store, names, now_ms))
        reasons = told("rejected", [name for name in by_name if by_name[name].rejected], self._reasons)
        died = told(
            "dead", [name for name in by_name if by_name[name].dead],
            lambda names: died_since(store, dict.fromkeys(names, now_ms - _HOUR_MS)),
        )  # fmt: skip
        groups = told("dead", [name for name in died if died[name]], self._top_errors)
        limits = told("limits", held, lambda names: store.run_all([held_limits(name) for name in names]))
        agendas = told("schedules", list(by_name), lambda names: store.run_all([agenda(name) for name in names]))
        leases = told("leases", list(by_name), lambda names: lease_deadlines(store, names))
        return [
            QueueFacts(
                status, names_of.get(name, {}), offered.get(name, ()), reasons.get(name, {}), died.get(name, 0),
                groups.get(name), limits.get(name, ()), (agendas[name].schedules or ()) if name in agendas else (),
                _late(leases.get(name, {}), registry),
            )
            for name, status in by_name.items()
        ]  # fmt: skip

    def _parked_names(self, queues: Sequence[str]) -> list[Mapping[str, int]]:
        pages = self._store.run_all([search(queue, Selector(), Cursor("parked"), _MOST_JOBS) for queue in queues])
        return [Counter(row.name or "?" for row in page.rows) for page in pages]

    def _top_errors(self, queues: Sequence[str]) -> list[ErrorGroup | None]:
        groups = error_groups(self._store, queues)
        return [next((group for group in groups if group.queue == queue), None) for queue in queues]

    def _reasons(self, queues: Sequence[str]) -> list[Mapping[str, int]]:
        pages = [rejected_page(self._store, queue, 0, _MOST_ENVELOPES) for queue in queues]
        return [Counter((entry.reason or "?").partition(":")[0] for entry in page.entries) for page in pages]


def _timed(store: Store) -> tuple[float, float]:
    """Return the median of some round trips, ms, and by how many seconds the clock of Redis is ahead of ours.

    The clock is compared in the quickest of them, where both are read nearly at once.
    """
    trips = []
    for _ in range(_PINGS):
        start_s, began = time.time(), time.perf_counter()
        now_ms = server_now_ms(store)
        took_s = time.perf_counter() - began
        trips.append((took_s, now_ms / 1000 - (start_s + took_s / 2)))
    trips.sort()
    return trips[_PINGS // 2][0] * 1000, trips[0][1]


def _late(deadlines: Mapping[str, int], registry: Registry) -> dict[str, float]:
    """Return the workers whose lease should have been renewed long ago: it misses a second renewal by now."""
    leases = {worker.id: daemon.lease_ms for daemon in registry.daemons for worker in daemon.workers}
    late = {}
    for worker, deadline_ms in deadlines.items():
        lease_ms = max(_LEAST_LEASE_MS, leases.get(worker) or 0)
        left_ms = deadline_ms - registry.now_ms
        if left_ms < lease_ms / 3 and (worker in leases or left_ms < 0):
            late[worker] = (lease_ms * 2 / 3 - left_ms) / 1000
    return late
