"""What the monitor of a worker with one slot does with jobs that wait behind the one that runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.worker.slots import monitor as module
from jqjobs.worker.slots.monitor import Monitor
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker

PREFETCH_MS = 20


@pytest.fixture
def worker(live_system: QueueSystem, tmp_path: Path) -> Iterator[ProcesslessWorker]:
    made = ProcesslessWorker(live_system, live_system.store, tmp_path)
    yield made
    made.board.close()


def looks(worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch, after_ms: int) -> None:
    """Have the monitor look when the job that runs has been running for so long."""
    idle: Any = SimpleNamespace(write_due=lambda: None, draining=False, stopping=False)
    made = Monitor(
        batch=worker.batch, board=worker.worker_board, exchanger=worker.exchanger, signals=idle, notes=idle,
        statistics=idle, tail=worker.tail, interrupter=idle, slots=None, look_every_s=1, prefetch_ms=PREFETCH_MS,
        hung_after_ms=math.inf,
    )  # fmt: skip
    monkeypatch.setattr(module, "monotonic_ms", lambda: worker.batch.last_start_ms + after_ms)
    made.look()


@pytest.mark.parametrize("is_under_way", [False, True], ids=["in hand", "on their way"])
def test_they_go_back_when_it_takes_longer_than_work_is_fetched_ahead_and_not_before(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch, is_under_way: bool
) -> None:
    worker.system.add(*"abc")
    worker.exchanger.trip(1 if is_under_way else 3)
    worker.start()
    if is_under_way:
        worker.exchanger.send(2)
    looks(worker, monkeypatch, PREFETCH_MS)
    assert (worker.batch.unstarted_count, worker.system.ids()) == (2, [])
    looks(worker, monkeypatch, PREFETCH_MS + 1)
    assert (worker.batch.unstarted_count, worker.system.ids()) == (0, ["b", "c"])
