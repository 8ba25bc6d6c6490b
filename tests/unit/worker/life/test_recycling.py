"""When a worker asks for a successor."""

from __future__ import annotations

import random
from typing import Any

import pytest

from jqjobs.link.worker_config import WorkerConfig
from jqjobs.worker.life import recycling
from jqjobs.worker.life.recycling import Recycling

START_MS = 1_000_000
MINUTE_MS = 60_000


class Asking:
    """A worker's channel and clock."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.reasons: list[str] = []

    def send(self, event: str, *, reason: str) -> None:
        assert event == "recycle"
        self.reasons.append(reason)

    def worker(self, seed: int = 1, **options: Any) -> Recycling:
        config = WorkerConfig(app="a", redis_url="", worker_id="w", board="", channel_fd=0, daemon_pid=0, **options)
        channel: Any = self
        return Recycling(config, channel, random.Random(seed))


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Asking:
    made = Asking()
    monkeypatch.setattr(recycling, "monotonic_ms", lambda: made.now_ms)
    return made


def test_without_limits_a_worker_grows_as_old_as_it_likes(asking: Asking) -> None:
    worker = asking.worker()
    asking.now_ms += 10**12
    worker.ask(executed=10**9, has_hung=False, is_spoilt=False)
    assert asking.reasons == []


def test_after_so_many_jobs_it_asks(asking: Asking) -> None:
    worker = asking.worker(max_jobs=100)
    worker.ask(executed=99, has_hung=False, is_spoilt=False)
    assert asking.reasons == []
    worker.ask(executed=100, has_hung=False, is_spoilt=False)
    assert asking.reasons == ["max_jobs"]


def test_workers_of_a_fleet_are_old_at_different_times_and_none_too_late(asking: Asking) -> None:
    workers = [asking.worker(seed, max_age_s=100) for seed in range(50)]
    asked_s = []
    for second in range(80, 102):
        asking.now_ms = START_MS + second * 1000
        asking.reasons.clear()
        for worker in workers:
            worker.ask(executed=0, has_hung=False, is_spoilt=False)
        asked_s += [second] * len(asking.reasons)
    assert (len(asked_s), set(asking.reasons) <= {"max_age"}) == (50, True)
    assert len(set(asked_s)) > 10
    assert max(asked_s) <= 100


def test_while_no_successor_comes_it_asks_once_a_minute(asking: Asking) -> None:
    worker = asking.worker(max_jobs=1)
    for _ in range(5):
        worker.ask(executed=1, has_hung=False, is_spoilt=False)
        asking.now_ms += MINUTE_MS - 1
        worker.ask(executed=1, has_hung=False, is_spoilt=False)
        asking.now_ms += 1
    assert asking.reasons == ["max_jobs"] * 5


def test_of_a_job_that_hangs_it_speaks_once_and_of_the_next_one_again(asking: Asking) -> None:
    worker = asking.worker()
    for has_hung in (True, True, False, False, True):
        worker.ask(executed=1, has_hung=has_hung, is_spoilt=False)
    assert asking.reasons == ["hung", "hung"]


def test_a_job_that_hangs_is_told_also_just_after_age_was(asking: Asking) -> None:
    worker = asking.worker(max_jobs=1)
    worker.ask(executed=1, has_hung=False, is_spoilt=False)
    worker.ask(executed=1, has_hung=True, is_spoilt=False)
    assert asking.reasons == ["max_jobs", "hung"]


def test_a_worker_that_can_run_no_more_asks(asking: Asking) -> None:
    asking.worker().ask(executed=1, has_hung=False, is_spoilt=True)
    assert asking.reasons == ["limits"]
