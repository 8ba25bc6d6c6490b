"""How a worker ends: in which order, what it waits for, and what it does without Redis."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.errors import StoreUnavailable
from jqjobs.link.exits import WorkerExit
from jqjobs.worker.life import retirement
from jqjobs.worker.life.retirement import Ending
from jqjobs.worker.trips.batch import Batch
from unit.worker.batches import jobs, reported, started


class Around:
    """All that an ending works with beside the batch: notes what is done, in order. Each wait takes half a second."""

    def __init__(self, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batch = batch
        self.did: list[str] = []
        self.under_way = self.draining = self.stopping = self.closed = False
        self.is_redis_away = self.is_anew = False
        self.order = SimpleNamespace(queues=("q",))
        self.fast = SimpleNamespace(begin_anew=lambda: setattr(self, "is_anew", True))
        self.at_waits: list[Callable[[], object]] = []
        self.at_listens: list[Callable[[], object]] = []
        self.now_ms = 1_000_000
        monkeypatch.setattr(retirement, "monotonic_ms", lambda: self.now_ms)
        self.channel = self
        config = SimpleNamespace(poll_s=1.0, kill_after_s=5.0)
        parts: Any = SimpleNamespace(
            config=config, batch=batch, board=self, signals=self, instructions=self, exchanger=self, executor=self,
            hook_queue=SimpleNamespace(run=lambda: self.did.append("hooks")), wake_wait=self, rng=random.Random(1),
            statistics=SimpleNamespace(write=lambda: self.did.append("statistics")),
            life_hooks=SimpleNamespace(stop=lambda: self.did.append("end")),
            tail=SimpleNamespace(send=lambda _: self.did.append("tail")),
        )  # fmt: skip
        self.ending = Ending(parts)

    def wait(self, timeout_s: float, *, for_token: bool) -> bool:
        assert not for_token
        self.did.append("wait")
        self.now_ms += 500
        if self.at_waits:
            self.at_waits.pop(0)()
        return True

    def trip(self, want: int) -> None:
        assert want == 0
        assert self.is_anew, "a token that it has goes back"
        assert len(self.did) < 20, "it ends"
        if not self.order.queues:
            self.did.append("no trip")
            return
        if self.is_redis_away:
            self.did.append("lost")
            raise StoreUnavailable()
        self.did.append(" ".join(["trip", *reported(self.batch)]))

    def receive(self) -> None:
        self.under_way = False
        self.did.append("receive")

    def cancel(self) -> None:
        self.did.append("cancel")

    def close(self) -> None:
        self.did.append("close")

    def listen(self, low: int, *, for_outcomes: bool) -> None:
        assert (low, for_outcomes) == (-1, True)
        if self.at_listens:
            self.at_listens.pop(0)()

    def nothing(self, *_: Any, **__: Any) -> None:
        return None

    tick = hear = run = ask = nothing


@pytest.fixture
def around(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Around:
    return Around(batch, monkeypatch)


# Retiring


def test_an_idle_worker_makes_a_last_trip_then_calls_hooks_then_ends_its_threads(around: Around) -> None:
    assert around.ending.retire() is WorkerExit.DRAINED
    assert around.did == ["cancel", "trip", "statistics", "tail", "hooks", "end", "close"]
    assert around.draining


def test_what_is_not_started_goes_back(around: Around, batch: Batch) -> None:
    batch.add(jobs(2))
    around.ending.retire()
    assert around.did == ["cancel", "trip id-1 released id-0 released", "statistics", "tail", "hooks", "end", "close"]


def test_a_trip_that_is_under_way_is_received_and_what_it_brings_goes_back(around: Around, batch: Batch) -> None:
    around.under_way = True
    around.ending.retire()
    assert around.did == ["cancel", "receive", "trip", "statistics", "tail", "hooks", "end", "close"]


def test_what_runs_is_waited_for_and_reported_as_it_ends(around: Around, batch: Batch) -> None:
    batch.add(jobs(2))
    first, second = started(batch), started(batch)
    around.at_waits = [dict, lambda: batch.finish(first), lambda: batch.finish(second)]
    around.ending.retire()
    assert around.did == [
        "cancel",
        "wait",
        "wait",
        "trip id-0",
        "wait",
        "trip id-1",
        "statistics",
        "tail",
        "hooks",
        "end",
        "close",
    ]


def test_a_job_that_ends_as_the_worker_turns_to_wait_is_not_waited_for(around: Around, batch: Batch) -> None:
    batch.add(jobs(1))
    job = started(batch)
    around.at_listens = [lambda: batch.finish(job)]
    around.ending.retire()
    assert around.did == ["cancel", "trip id-0", "statistics", "tail", "hooks", "end", "close"]


def test_without_redis_it_tries_three_times_and_leaves_the_rest_to_its_daemon(around: Around) -> None:
    around.is_redis_away = True
    assert around.ending.retire() is WorkerExit.DRAINED
    assert around.did == ["cancel", *["lost", "wait"] * 3, "hooks", "end", "close"]


@pytest.mark.parametrize(("in_hand", "tries"), [(0, 1), (1, 3)])
def test_for_a_redis_that_is_silent_only_who_has_something_to_give_back_waits_again(
    around: Around, batch: Batch, in_hand: int, tries: int
) -> None:
    batch.add(jobs(in_hand))
    around.is_redis_away = True
    around.at_waits = [lambda: setattr(around, "now_ms", around.now_ms + 5000)] * 3
    around.ending.retire()
    assert around.did.count("lost") == tries


def test_when_redis_comes_back_meanwhile_all_is_reported(around: Around, batch: Batch) -> None:
    batch.add(jobs(1))
    around.is_redis_away = True
    around.at_waits = [lambda: setattr(around, "is_redis_away", False)]
    around.ending.retire()
    assert around.did == ["cancel", "lost", "wait", "trip id-0 released", "statistics", "tail", "hooks", "end", "close"]


def test_a_worker_that_is_in_no_queue_any_more_leaves_what_it_has_to_say_to_its_daemon(
    around: Around, batch: Batch
) -> None:
    batch.add(jobs(1))
    around.order.queues = ()
    around.ending.retire()
    assert around.did == ["cancel", "no trip", "statistics", "tail", "hooks", "end", "close"]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"stopping": True}, WorkerExit.STOPPED), ({"closed": True}, WorkerExit.ORPHANED),
        ({"stopping": True, "closed": True}, WorkerExit.ORPHANED),
    ],
)  # fmt: skip
def test_the_exit_code_says_why(around: Around, facts: dict[str, bool], code: WorkerExit) -> None:
    vars(around).update(facts)
    assert around.ending.retire() is code


# Fenced


def test_a_fenced_worker_has_its_jobs_interrupted_and_says_nothing_to_redis(around: Around, batch: Batch) -> None:
    batch.add(jobs(1))
    job = started(batch)
    around.at_waits = [dict, lambda: batch.finish(job)]
    around.ending.stop()
    assert (around.draining, around.stopping) == (True, True)
    assert around.did == ["wait", "wait", "end", "close"]


def test_for_a_job_that_does_not_end_a_fenced_worker_waits_no_longer_than_a_stop_would(
    around: Around, batch: Batch
) -> None:
    batch.add(jobs(1))
    started(batch)
    around.ending.stop()
    assert around.did == [*["wait"] * 10, "end", "close"]
