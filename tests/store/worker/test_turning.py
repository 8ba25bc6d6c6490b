"""A worker that goes from queue to queue: where it has leases, what it serves, and what its board says meanwhile."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import StoreUnavailable
from jqjobs.jobs.records import MAX_QUEUES
from jqjobs.link.queue_choice import QueueChoice
from jqjobs.store.calls.leases import join_by_turn
from jqjobs.store.calls.turns import call_workers
from jqjobs.store.store import Store
from jqjobs.store.wire import Wire
from jqjobs.worker.trips import turn_book, turning
from jqjobs.worker.trips.offering import Offering
from jqjobs.worker.trips.queue_order import Turns
from jqjobs.worker.trips.token_line import Heard, TokenLine
from jqjobs.worker.trips.turning import Turning
from store.queue_system import LEASE_MS, QueueSystem
from store.worker.processless_worker import ProcesslessWorker


class TurningWorker(ProcesslessWorker):
    """Serves ``t-*`` and the queues that are named."""

    def __init__(
        self, system: QueueSystem, store: Store, directory: Path, names: tuple[str, ...] = (), name: str = "w"
    ) -> None:  # fmt: skip
        super().__init__(system, store, directory, names, patterns=("t-*",), name=name)
        app = App()
        app.job(name="n")(lambda: None)
        self.called: deque[str] = deque()
        order = self.exchanger.order
        assert isinstance(order, Turns)
        self.turning = Turning(
            QueueChoice(names, (), ("t-*",)), order, self.exchanger, self.batch, self.worker_board.turns,
            Offering(app.registry, LEASE_MS), self.called, name, LEASE_MS,
        )  # fmt: skip

    def call(self, *queues: str) -> None:
        self.system.run(call_workers("t-*", queues))

    def trip(self, want: int) -> list[str]:
        self.exchanger.fast.begin_anew()
        self.exchanger.send(want)
        return [job.id for job in self.exchanger.receive().jobs]

    def leases(self) -> list[str]:
        """The queues where it has one, by name."""
        keys = [key.decode() for key in self.system.redis("KEYS", "jq:{*}:leases")]
        return sorted(key.partition("{")[2].partition("}")[0] for key in keys)

    def entered(self) -> list[str]:
        return sorted(self.board.turns.entered())


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has given nothing just now, and has nothing, is let go of; and while others wait, every turn is short."""
    for name in ("_REST_MS", "_TURN_MS", "_LONGEST_TURN_MS"):
        monkeypatch.setattr(turn_book, name, 0)


@pytest.fixture
def patient(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, but what has nothing is not let go of for that."""
    monkeypatch.setattr(turn_book, "_REST_MS", 3_600_000)


@pytest.fixture
def worker(real_system: QueueSystem, tmp_path: Path) -> Iterator[TurningWorker]:
    made = TurningWorker(real_system, real_system.store, tmp_path)
    yield made
    made.board.close()


@pytest.mark.usefixtures("patient")
def test_it_goes_where_it_is_called_and_nowhere_else(worker: TurningWorker) -> None:
    for number in range(3):
        worker.system.add(f"job-{number}", queue=f"t-{number}")
    assert (worker.turning.go_on(9), worker.trip(9)) == (False, [])
    worker.call("t-2", "t-0", "not-mine", "t-\n")
    assert worker.turning.go_on(9)
    assert worker.leases() == worker.entered() == ["t-0", "t-2"]
    assert sorted(worker.trip(9)) == ["job-0", "job-2"]
    assert not worker.turning.go_on(9)


@pytest.mark.usefixtures("patient")
def test_an_idle_one_that_a_wake_set_has_given_a_queue_goes_there(worker: TurningWorker) -> None:
    worker.system.add("a", queue="t-1")
    worker.called.append("t-1")
    assert worker.turning.go_on(1)
    assert worker.trip(1) == ["a"]


def test_while_idle_it_hears_of_jobs_where_it_is(real_system: QueueSystem) -> None:
    heard, queues = Heard(), ["t-1"]
    wire = Wire(real_system.store.address)
    line = TokenLine(wire, lambda: tuple(queues), ("t-*",), heard)
    for queue in ("t-1", "t-2"):
        line.ask(frozenset())
        queues.append("t-2")
        line.ask(frozenset())
        real_system.add("a", queue=queue)
        assert (line.read(), heard.called.popleft()) == (True, queue)
    wire.close()


@pytest.mark.usefixtures("patient")
def test_who_can_take_nothing_goes_nowhere(worker: TurningWorker) -> None:
    worker.call("t-1")
    assert not worker.turning.go_on(0)
    assert (worker.leases(), worker.system.redis("ZCARD", "jq:{~}:wakes:t-*")) == ([], 1)


@pytest.mark.usefixtures("at_once")
def test_it_lets_go_of_a_queue_once_nothing_is_in_hand_or_to_report_there(worker: TurningWorker) -> None:
    worker.system.add("a", queue="t-1")
    worker.call("t-1")
    worker.turning.go_on(1)
    worker.trip(1)
    job = worker.start()
    worker.turning.go_on(1)
    worker.finish(job)
    worker.turning.go_on(1)
    assert worker.leases() == worker.entered() == ["t-1"]
    worker.trip(0)
    worker.turning.go_on(1)
    assert (worker.leases(), worker.entered(), worker.board.turns.read()) == ([], [], {})
    assert worker.system.redis("HGET", "jq:{t-1}:meta", "done") == b"1"


@pytest.mark.usefixtures("patient")
def test_it_is_in_no_more_queues_than_a_trip_serves_and_goes_on_to_those_that_call(
    real_system: QueueSystem, tmp_path: Path
) -> None:
    worker = TurningWorker(real_system, real_system.store, tmp_path, ("named",))
    queues = [f"t-{number:02}" for number in range(2 * MAX_QUEUES)]
    for queue in queues:
        worker.system.add(f"of-{queue}", f"more-of-{queue}", queue=queue)
    worker.call(*queues)
    worker.turning.go_on(500)
    assert worker.leases() == ["named", *queues[: MAX_QUEUES - 1]]
    seen = set(worker.entered())
    for _ in range(6):
        worker.trip(0)
        worker.turning.go_on(500)
        assert len(worker.leases()) == MAX_QUEUES
        seen |= set(worker.entered())
    assert seen == set(queues), "each has its turn"
    worker.board.close()


def test_what_has_nothing_left_gives_way_at_once_where_others_call(worker: TurningWorker) -> None:
    queues = [f"t-{number:02}" for number in range(2 * MAX_QUEUES)]
    for queue in queues:
        worker.system.add(f"of-{queue}", queue=queue)
    worker.call(*queues)
    for part in (queues[:MAX_QUEUES], queues[MAX_QUEUES:]):
        worker.turning.go_on(500)
        assert worker.entered() == part
        worker.trip(500)
        for _ in part:
            worker.finish(worker.start())
        worker.trip(0)


def test_on_a_slow_machine_it_stays_until_it_has_taken_what_it_came_for(
    worker: TurningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_ms, joined = [0], Counter[str]()
    monkeypatch.setattr(turning, "monotonic_ms", lambda: clock_ms[0])

    def is_slow(queue: str, *args: Any) -> Any:
        clock_ms[0] += 20
        joined[queue] += 1
        return join_by_turn(queue, *args)

    monkeypatch.setattr(turning, "join_by_turn", is_slow)
    queues = [f"t-{number:02}" for number in range(40)]
    for queue in queues:
        worker.system.add(*[f"{queue}.{number}" for number in range(5)], queue=queue)
    worker.call(*queues)
    left = 5 * len(queues)
    while left:
        if worker.turning.is_due:
            worker.turning.go_on(8)
        if not (jobs := worker.trip(8)):  # as an idle one, that the wake set gives a queue
            worker.called.append(worker.system.redis("ZPOPMIN", "jq:{~}:wakes:t-*")[0].decode())
        left -= len(jobs)
        clock_ms[0] += 100
        for _ in jobs:
            worker.finish(worker.start())
    assert joined == Counter(queues)


@pytest.mark.usefixtures("patient")
def test_each_queue_has_its_part_of_what_it_takes(worker: TurningWorker) -> None:
    for queue in ("t-whale", "t-1", "t-2"):
        worker.system.add(*[f"{queue}.{number}" for number in range(50)], queue=queue)
    worker.call("t-whale")
    worker.turning.go_on(1)
    had = [worker.trip(1)[0] for _ in range(20)]
    worker.call("t-1", "t-2")
    worker.turning.go_on(9)
    had = [worker.trip(1)[0].partition(".")[0] for _ in range(9)]
    assert sorted(had[:3]) == sorted(had[3:6]) == sorted(had[6:]) == ["t-1", "t-2", "t-whale"]


def test_whoever_is_slow_full_queues_have_had_equal_parts_at_any_moment(
    real_system: QueueSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a turn is charged, and so what queues are behind each other where the next one is given, differs by a turn,
    and by what each worker has had beyond its own; what was taken by the turns that are not over, and that excess."""
    turn, want, clock_ms, rng = 4, 2, [0], random.Random(7)
    monkeypatch.setattr(turn_book, "TURN_JOBS", turn)
    monkeypatch.setattr(turning, "TURN_JOBS", turn)
    monkeypatch.setattr(turning, "monotonic_ms", lambda: clock_ms[0])
    workers = [TurningWorker(real_system, real_system.store, tmp_path, name=f"w{number}") for number in range(4)]
    most_apart = turn + len(workers) * (turn + 2 * (want - 1))
    queues = [f"t-{number:02}" for number in range(100)]
    for queue in queues:
        real_system.add(*[f"{queue}.{number}" for number in range(60)], queue=queue)
    workers[0].call(*queues)
    had = dict.fromkeys(queues, 0)
    stands_still_until = dict.fromkeys(workers, 0)
    while sum(had.values()) < 3000:
        clock_ms[0] += 1
        (worker,) = rng.choices(workers, (1, 2, 4, 8))
        if stands_still_until[worker] > clock_ms[0]:
            continue
        if worker.turning.is_due:
            worker.turning.go_on(want)
        for job in worker.trip(want):
            had[job.partition(".")[0]] += 1
        assert max(had.values()) - min(had.values()) <= most_apart
        if rng.random() < 0.01:
            stands_still_until[worker] = clock_ms[0] + 300
            continue
        while (begun := worker.batch.start_next()) is not None:
            worker.finish(begun)
    assert min(had.values()) > 0
    for worker in workers:
        worker.board.close()


@pytest.mark.usefixtures("at_once")
def test_after_an_answer_that_was_lost_it_serves_no_queue_before_it_has_let_go_there(
    worker: TurningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.system.add("a", queue="t-1")
    worker.call("t-1")
    run_many = worker.store.run_many

    def lost(calls: Any) -> Any:
        run_many(calls)
        raise StoreUnavailable("cut off")

    monkeypatch.setattr(worker.store, "run_many", lost)
    with pytest.raises(StoreUnavailable):
        worker.turning.go_on(1)
    assert (worker.leases(), worker.entered(), list(worker.board.turns.read())) == (["t-1"], [], ["t-1"])
    assert worker.trip(1) == []
    monkeypatch.undo()
    worker.turning.go_on(1)
    assert (worker.leases(), worker.board.turns.read()) == ([], {})
    worker.call("t-1")
    worker.turning.go_on(1)
    assert worker.trip(1) == ["a"]


@pytest.mark.usefixtures("at_once")
def test_after_a_broken_trip_it_stays_where_it_is_until_a_trip_was_answered(worker: TurningWorker) -> None:
    worker.call("t-1")
    worker.turning.go_on(1)
    worker.exchanger.resyncs = True
    worker.call("t-2")
    assert not worker.turning.go_on(1)
    assert worker.leases() == ["t-1"]
    worker.trip(0)
    worker.turning.go_on(1)
    assert worker.leases() == ["t-2"]
