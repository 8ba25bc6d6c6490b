"""The worker's loop on a real queue system: when it asks for how many jobs, and what it then has in hand."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.exits import WorkerExit
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.store.store import Store
from jqjobs.worker.attempts.event_loop import MainLoop
from jqjobs.worker.life.parts import WorkerParts
from jqjobs.worker.loop import Loop
from jqjobs.worker.slots.executor import MainThread
from jqjobs.worker.slots.job_log import JobLog
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.fetching import OneSlot
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker


@dataclass
class Around:
    """All that a loop works with beside its queue: a daemon that says nothing, and room for everything.

    The loop is told to drain when it first waits for work.
    """

    exchanger: Exchanger
    draining: bool = False
    stopping: bool = False
    closed: bool = False
    is_quiet: bool = False
    clock_offset_ms: int = 0
    looks_in_ms: float = 0.0
    #: Whether somebody listens to what jobs do.
    is_on: bool = False
    when_idle: Callable[[], object] = dict

    @property
    def pending(self) -> bool:
        """Whether hooks come first: those of an outcome that is not reported yet, or is recorded by now."""
        return self.exchanger.reports.has_hooked or bool(self.exchanger.recorded)

    @property
    def channel(self) -> Around:
        return self

    def wait(self, *_: Any, **__: Any) -> bool:
        self.draining = self.when_idle() is not True
        return not self.draining

    #: Nobody has touched what is around the jobs.
    touched = is_spoilt = False

    has_room = has_word = True

    @property
    def stdout(self) -> Any:
        return sys.stdout

    def may_take(self) -> bool:
        return self.has_room

    def nothing(self, *_: Any, **__: Any) -> Any:
        return None

    hear = cancel = report = look = send = count = write = stop = nothing

    def run(self) -> bool:
        """Call the hooks of what is recorded; whether there were any."""
        had_some = bool(self.exchanger.recorded)
        self.exchanger.recorded.clear()
        return had_some

    run_next = run


class Jobs:
    """Stands in for the runner: notes what ran, and how many more were in hand."""

    def __init__(self, worker: ProcesslessWorker) -> None:
        self.worker = worker
        self.ran: list[str] = []
        self.unstarted: list[int] = []
        self.classifier = SimpleNamespace(clock_offset_ms=0)
        self.takes_s = 0.0
        self.hooked: set[str] = set()

    def run(self, job: TakenJob) -> Outcome | None:
        self.ran.append(job.id)
        self.unstarted.append(self.worker.batch.unstarted_count)
        time.sleep(self.takes_s)
        if job.id not in self.hooked:
            return None
        outcome = Outcome.discarded(job, error="no", line=b"{}")
        outcome.after = self
        return outcome


@dataclass(frozen=True)
class Ask:
    """One trip, as it was sent: how many jobs it asked for, and how many were in hand and not started."""

    want: int
    unstarted: int
    has_hooked: bool


class Shift:
    """A worker that works until nothing is ready."""

    def __init__(self, worker: ProcesslessWorker) -> None:
        self.worker = worker
        self.jobs = Jobs(worker)
        self.asks: list[Ask] = []
        self.unreported: list[dict[str, list[str]]] = []
        self.when_idle: Callable[[], object] = lambda: self.unreported.append(worker.system.active())
        self.has_listener = False
        self._send = worker.exchanger.send

    def work(self, *ids: str, **options: Any) -> None:
        self.worker.system.add(*ids)
        config = WorkerConfig(
            app="app", redis_url="", worker_id="w", board="", channel_fd=0, daemon_pid=0, queues=("q",), **options
        )
        self.around = around = cast(
            Any, Around(self.worker.exchanger, is_on=self.has_listener, when_idle=self.when_idle)
        )
        jobs: Any = self.jobs
        batch, exchanger = self.worker.batch, self.worker.exchanger
        parts = WorkerParts(
            config=config, app=around, rng=random.Random(1), store=self.worker.store, board=self.worker.worker_board,
            channel=around, signals=around, instructions=around, loaded_files=around, own_memory=around,
            surroundings=around,
            batch=batch, exchanger=exchanger, wake_wait=around, wake_trip=None,
            runner=jobs, monitor=around, hook_queue=around,
            fetching=OneSlot(batch, exchanger, around, prefetch_ms=config.prefetch_ms, most=config.batch),
            executor=MainThread(batch, jobs, around, lambda job: None, around, MainLoop(), JobLog(-1), around),
            statistics=around, tail=around, life_hooks=around, offering=around, turning=None,
        )  # fmt: skip
        assert Loop(parts).run() is WorkerExit.DRAINED

    def send(self, want: int, *rest: Any, **options: Any) -> None:
        batch = self.worker.batch
        self.asks.append(Ask(want, batch.unstarted_count, batch.reports.has_hooked))
        self._send(want, *rest, **options)


@pytest.fixture
def shift(
    system: QueueSystem, connect: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shift]:
    worker = ProcesslessWorker(system, connect(system.url), tmp_path)
    made = Shift(worker)
    monkeypatch.setattr(worker.exchanger, "send", made.send)
    yield made
    worker.board.close()


def many(count: int) -> list[str]:
    return [f"j{n:0>4}" for n in range(count)]


def test_all_jobs_run_once_in_their_order_and_are_recorded(shift: Shift) -> None:
    shift.work(*many(700))
    assert shift.jobs.ran == many(700)
    assert (shift.worker.system.active(), shift.worker.system.ids(), shift.worker.on_board()) == ({}, [], {})


def test_all_is_reported_before_the_worker_waits(shift: Shift) -> None:
    """Also what has ended while the last trip was under way, which finds that there is nothing left."""
    shift.work(*many(700))
    assert shift.unreported == [{}]


@pytest.mark.parametrize("has_listener", [False, True])
def test_the_monitor_need_not_look_when_all_is_over_unless_somebody_hears_of_it(
    shift: Shift, has_listener: bool
) -> None:
    looks: list[bool] = []
    shift.has_listener, shift.when_idle = has_listener, lambda: looks.append(shift.worker.batch.busy.is_set())
    shift.work(*many(3))
    assert looks == [has_listener]


def test_the_next_trip_is_sent_when_half_of_what_was_asked_for_is_left(shift: Shift) -> None:
    shift.work(*many(700), batch=16, prefetch_ms=3_600_000)
    ahead = [ask for ask in shift.asks if ask.unstarted]
    assert all(ask.unstarted <= ask.want for ask in ahead), "half is left, or less"
    assert max(ask.unstarted for ask in ahead) == 8, "and no less than that has to be waited for"
    assert 2 * len(ahead) > len(shift.asks), "most trips"


def test_never_more_is_in_hand_than_the_largest_batch(shift: Shift) -> None:
    shift.work(*many(700), batch=16, prefetch_ms=3_600_000)
    assert 0 < max(shift.jobs.unstarted) < 16, "one runs"
    assert max(ask.want + ask.unstarted for ask in shift.asks) == 16


def test_no_more_work_is_in_hand_than_was_allowed(shift: Shift) -> None:
    """Jobs of 10 ms and more, and 30 ms of work allowed: at most two besides the one that runs."""
    shift.jobs.takes_s = 0.01
    shift.work(*many(30), prefetch_ms=30)
    assert max(shift.jobs.unstarted) <= 2
    assert shift.jobs.ran == many(30)


def test_without_prefetch_one_is_taken_at_a_time_and_nothing_is_asked_for_ahead(shift: Shift) -> None:
    shift.work(*many(20), prefetch_ms=0)
    assert {(ask.want, ask.unstarted) for ask in shift.asks} <= {(1, 0), (0, 0)}
    assert set(shift.jobs.unstarted) == {0}
    assert shift.jobs.ran == many(20)


def test_while_hooks_wait_for_an_outcome_nothing_is_asked_for_ahead(shift: Shift) -> None:
    """They are called when nothing is in hand, so that no job waits behind them."""
    shift.jobs.hooked = set(many(300))
    shift.work(*many(300), batch=16, prefetch_ms=3_600_000)
    assert [ask for ask in shift.asks if ask.unstarted and ask.has_hooked] == []
    assert [ask for ask in shift.asks if ask.has_hooked], "or nothing was looked at"
    assert shift.jobs.ran == many(300)


@pytest.mark.parametrize("what", ["no room", "a word to be quiet"])
def test_what_has_come_while_it_waited_goes_back_if_it_may_not_begin_by_then(shift: Shift, what: str) -> None:
    worker = shift.worker

    def be_quiet() -> None:
        shift.around.is_quiet = True

    def come() -> bool:
        if worker.system.states("late"):
            return False
        worker.system.add("late")
        worker.exchanger.standing = packet = worker.exchanger.packer.wake(1, 0, 0)
        worker.exchanger.adopt(worker.store.wire.call(*worker.store.command(packet.call)))
        if what == "no room":
            shift.around.has_room = False
        else:
            shift.around.hear = be_quiet
        return True

    shift.when_idle = come
    shift.work("a")
    assert (shift.jobs.ran, worker.system.active(), worker.system.states("late")) == (["a"], {}, ["ready"])
