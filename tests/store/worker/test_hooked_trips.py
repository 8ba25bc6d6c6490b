"""The worker's exchanges when hooks wait for outcomes: what is recorded, with which end, and when nothing is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from jqjobs.errors import StoreUnavailable
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.store import Store
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker

HOOKED = object()


class HookedWorker(ProcesslessWorker):
    """A worker whose jobs have hooks."""

    def run(self, *kinds: Kind, after: Any = HOOKED, attempt: int | None = None) -> None:
        """Take as many jobs, and let each end in one way."""
        assert len(self.exchanger.trip(len(kinds)).jobs) == len(kinds)
        for kind in kinds:
            job = self.start()
            self.batch.finish(job, _ended(job, kind, after, attempt))

    def recorded(self) -> list[Any]:
        found = [(outcome.job.id, settled) for outcome, settled in self.exchanger.recorded]
        self.exchanger.recorded.clear()
        return found


def _ended(job: TakenJob, kind: Kind, after: Any, attempt: int | None) -> Outcome:
    of = structs.replace(job, attempt=attempt or job.attempt, keep_ms=1000)
    return Outcome(of, kind, delay_ms=1000, line=b"{}", after=after)


@pytest.fixture
def worker(system: QueueSystem, connect: Callable[..., Store], tmp_path: Path) -> Iterator[HookedWorker]:
    made = HookedWorker(system, connect(system.url), tmp_path)
    yield made
    made.board.close()


def test_a_trip_tells_what_became_of_each_job_with_hooks(worker: HookedWorker) -> None:
    worker.system.add(*"abcd", fields=("max_attempts", 5))
    worker.run(Kind.DONE, Kind.KEPT, Kind.FAILED, Kind.DISCARDED)
    assert worker.exchanger.reports.has_hooked
    assert worker.recorded() == []
    worker.exchanger.trip(0)
    assert not worker.exchanger.reports.has_hooked
    assert worker.recorded() == [
        ("a", ("gone", "")), ("b", ("kept", "")), ("c", ("scheduled", "")), ("d", ("dead", "discarded")),
    ]  # fmt: skip


def test_a_report_of_the_monitor_tells_it_too(worker: HookedWorker) -> None:
    worker.system.add("a")
    worker.run(Kind.DISCARDED)
    assert worker.exchanger.report(gives_back=True)
    assert worker.recorded() == [("a", ("dead", "discarded"))]


def test_without_hooks_nothing_is_noted(worker: HookedWorker) -> None:
    worker.system.add(*"ab")
    worker.run(Kind.DONE, Kind.DISCARDED, after=None)
    assert not worker.exchanger.reports.has_hooked
    worker.exchanger.trip(0)
    assert worker.recorded() == []


def test_what_came_too_late_is_not_settled(worker: HookedWorker) -> None:
    worker.system.add(*"ab")
    worker.run(Kind.DONE, Kind.FAILED, attempt=7)
    worker.exchanger.trip(0)
    assert worker.recorded() == [("a", None), ("b", None)]


def test_after_a_broken_trip_hooks_wait_on(worker: HookedWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.system.add("a")
    worker.run(Kind.DISCARDED)
    with monkeypatch.context() as broken:
        broken.setattr(worker.store, "receive", _breaks)
        with pytest.raises(StoreUnavailable):
            worker.exchanger.trip(0)
    assert worker.exchanger.reports.has_hooked
    assert worker.recorded() == []
    worker.exchanger.trip(0)
    assert worker.recorded() == [("a", ("dead", "discarded"))]


def _breaks(call: Any) -> Any:
    raise StoreUnavailable()
