"""A worker whose queues have weights: each has its part of the jobs, by whole trips and fast ones, in a cluster too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jqjobs.jobs.records import NewJob
from jqjobs.store.calls import enqueueing
from jqjobs.store.calls.trips import Trip
from jqjobs.store.store import Store
from jqjobs.worker.trips import exchanger
from jqjobs.worker.trips.queue_order import MOST_IN_A_ROW
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker

A_CALL = 500


def fill(system: QueueSystem, queue: str, count: int) -> None:
    for first in range(0, count, A_CALL):
        system.run(enqueueing.enqueue(queue, [NewJob("n", b"{}", id=f"{first + n}") for n in range(A_CALL)]))


@contextmanager
def worker_of(
    system: QueueSystem, store: Store, path: Path, queues: str, weights: tuple[int, ...]
) -> Iterator[ProcesslessWorker]:
    made = ProcesslessWorker(system, store, path, queues, weights)
    yield made
    made.board.close()


def taken(
    worker: ProcesslessWorker, want: int, jobs: int, *, all_whole: bool = False
) -> tuple[Counter[str], list[Trip]]:
    """Have it run so many jobs, ``want`` a trip; return from which queues they came, and the trips."""
    had: Counter[str] = Counter()
    trips = []
    while had.total() < jobs:
        if all_whole:
            worker.exchanger.fast.begin_anew()
        trip = worker.exchanger.trip(min(want, jobs - had.total()))
        trips.append(trip)
        for _ in trip.jobs:
            job = worker.start()
            had[job.queue] += 1
            worker.finish(job)
    return had, trips


@pytest.mark.parametrize("want", [1, 10, MOST_IN_A_ROW])
def test_of_ten_thousand_jobs_each_queue_has_its_part_within_a_twentieth(
    live_system: QueueSystem, tmp_path: Path, want: int
) -> None:
    for queue in "ab":
        fill(live_system, queue, 8000)
    with worker_of(live_system, live_system.store, tmp_path, "ab", (3, 1)) as worker:
        had, trips = taken(worker, want, 10_000)
    assert had["a"] == pytest.approx(7500, rel=0.05)
    assert had["b"] == pytest.approx(2500, rel=0.05)
    if want == 1:
        assert any(trip.is_fast for trip in trips), "or else this says nothing of fast trips"


def test_one_queue_does_not_have_it_all_where_fast_trips_take_no_time(
    system: QueueSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanger, "monotonic_ms", lambda: 0)
    for queue in "ab":
        fill(system, queue, A_CALL)
    with worker_of(system, system.store, tmp_path, "ab", (1, 1)) as worker:
        had, trips = taken(worker, 1, A_CALL)
    assert had["a"] == pytest.approx(A_CALL / 2, abs=MOST_IN_A_ROW / 2)
    assert sum(trip.is_fast for trip in trips) > A_CALL * 0.9


def test_without_weights_the_second_queue_is_served_when_the_first_has_nothing(
    live_system: QueueSystem, tmp_path: Path
) -> None:
    for queue in "ab":
        fill(live_system, queue, A_CALL)
    with worker_of(live_system, live_system.store, tmp_path, "ba", ()) as worker:
        assert taken(worker, 10, A_CALL)[0] == {"b": A_CALL}
        assert taken(worker, 10, 10)[0] == {"a": 10}


@pytest.mark.xdist_group("cluster")
def test_in_a_cluster_too(cluster_system: QueueSystem, connect: Callable[..., Store], tmp_path: Path) -> None:
    cluster_system.store._now_ms = None
    for queue in "abc":
        fill(cluster_system, queue, A_CALL)
    with worker_of(cluster_system, connect(cluster_system.url), tmp_path, "abc", (1, 2, 1)) as worker:
        had, _ = taken(worker, 4, 400, all_whole=True)
    assert had == pytest.approx({"a": 100, "b": 200, "c": 100}, abs=8)
