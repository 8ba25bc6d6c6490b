"""What a whole trip of a worker of many queues costs, and what it does all the same where it passes by the others."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from jqjobs.base.wakeup import Wakeup
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind, Status
from jqjobs.link.channel import Channel
from jqjobs.store.calls import trips
from jqjobs.store.calls.trips import Way
from jqjobs.store.wire import Wire
from jqjobs.worker.trips import exchanger
from jqjobs.worker.trips.answers import Fenced
from jqjobs.worker.trips.token_line import Heard, TokenLine
from jqjobs.worker.trips.wake_wait import WakeWait
from servers import REAL_KINDS
from store.queue_system import LEASE_MS, QueueSystem
from store.worker.processless_worker import ProcesslessWorker

#: Longer than a fast trip is allowed after a whole one.
JOB_MS = 25
MANY = 32


def names(count: int) -> list[str]:
    return [f"q{n:02}" for n in range(count)]


class BusyWorker:
    """Its jobs take `JOB_MS`, by its own clock and by that of Redis."""

    def __init__(self, system: QueueSystem, directory: Path, queues: Sequence[str], now_ms: list[int]) -> None:
        self.system = system
        self.worker = ProcesslessWorker(system, system.store, directory, queues)
        self._now_ms = now_ms
        system.reaping_works_from_now(*queues)

    def next(self) -> list[str]:
        """Make the next trip, which takes one job; where it has brought any, run it."""
        brought = [f"{job.queue}/{job.id}" for job in self.worker.exchanger.trip(1).jobs]
        self._now_ms[0] += JOB_MS
        self.system.clock.advance(JOB_MS)
        if brought:
            self.worker.finish(self.worker.start())
        return brought


@pytest.fixture
def now_ms(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found = [1000]
    monkeypatch.setattr(exchanger, "monotonic_ms", lambda: found[0])
    return found


@pytest.fixture
def busy(system: QueueSystem, tmp_path: Path, now_ms: list[int]) -> Iterator[BusyWorker]:
    """It works on the last of many queues, and has been there before."""
    system.skip_unless_one_call(names(MANY))
    made = BusyWorker(system, tmp_path, names(MANY), now_ms)
    system.add(*[f"j{n}" for n in range(9)], queue="q31")
    assert [made.next(), made.next()] == [["q31/j0"], ["q31/j1"]]
    yield made
    made.worker.board.close()


def commands(system: QueueSystem) -> int:
    lines = system.redis("INFO", "commandstats").decode().splitlines()
    return sum(int(line.split("calls=")[1].split(",")[0]) for line in lines if "calls=" in line)


def cost(system: QueueSystem, directory: Path, count: int, now_ms: list[int]) -> float:
    """Return how many commands a job of the last of so many queues takes."""
    directory.mkdir()
    made = BusyWorker(system, directory, names(count), now_ms)
    system.add(*[f"{count}-{n}" for n in range(9)], queue=names(count)[-1])
    made.next()
    made.next()
    before = commands(system)
    for n in range(2, 7):
        assert made.next() == [f"{names(count)[-1]}/{count}-{n}"]
    made.worker.board.close()
    return (commands(system) - before) / 5


@pytest.mark.parametrize(("later", "more"), [((), 1), (("later",), 8)])  # it is found by halving
def test_a_job_costs_as_much_with_many_queues_as_with_two(
    system: QueueSystem, tmp_path: Path, now_ms: list[int], later: Sequence[str], more: int
) -> None:
    if system.kind not in REAL_KINDS:
        pytest.skip("in a cluster a trip for several queues is made of legs; the fake server counts nothing")
    with_two = cost(system, tmp_path / "two", 2, now_ms)
    system.redis("FLUSHALL")
    system.add(*later, queue="q07", due="+3600000")
    assert cost(system, tmp_path / "many", MANY, now_ms) <= with_two + more


@pytest.mark.parametrize("queue", ["q00", "q30"])
def test_a_job_of_a_queue_before_is_the_next_one(busy: BusyWorker, queue: str) -> None:
    busy.system.add("urgent", queue=queue)

    assert [busy.next(), busy.next()] == [[f"{queue}/urgent"], ["q31/j2"]]


def test_a_job_of_a_queue_before_comes_when_it_is_due(busy: BusyWorker) -> None:
    busy.system.add("later", queue="q07", due="+30")
    assert busy.next() == ["q31/j2"]
    assert busy.next() == ["q31/j3"]

    assert busy.next() == ["q07/later"]


def test_an_envelope_is_seen_at_once(busy: BusyWorker) -> None:
    busy.system.push({"job": "n", "id": "raw"}, queue="q07")
    busy.next()  # takes it in

    assert busy.next() == ["q07/raw"]


def test_who_has_waited_leaves_a_token_wherever_there_is_work(busy: BusyWorker) -> None:
    busy.system.add("a", "b", queue="q07")
    busy.system.add("c", queue="q09")
    for queue in ("q07", "q09", "q31"):
        busy.system.use_up_token(queue)
    busy.worker.exchanger.fast.begin_anew()

    assert busy.next() == ["q07/a"]
    assert [busy.system.wakes(queue) for queue in ("q07", "q08", "q09", "q31")] == [True, False, True, True]


def test_who_brings_nothing_watches_for_what_comes_and_tells_when_he_is_busy(busy: BusyWorker) -> None:
    busy.system.add("later", queue="q09", due="+60000")
    busy.system.use_up_token("q09")
    while busy.next():
        pass

    assert not busy.system.wakes("q09"), "nobody else need come"
    busy.system.add("now", queue="q31")
    assert busy.next() == ["q31/now"]
    assert busy.system.wakes("q09"), "another one shall watch"


def test_the_wait_of_an_idle_one_ends_when_something_is_due(busy: BusyWorker) -> None:
    busy.system.add("later", queue="q09", due="+60000")
    while busy.next():
        pass

    assert busy.worker.exchanger.trip(1).wait_ms == 60_000 - 8 * JOB_MS


def test_who_has_no_lease_in_a_queue_that_has_work_is_fenced(busy: BusyWorker) -> None:
    busy.system.redis("ZREM", busy.system.key("leases", "q07"), "w")
    assert busy.next() == ["q31/j2"]
    busy.system.add("a", queue="q07")

    with pytest.raises(Fenced):
        busy.next()
    assert busy.system.ids("ready", "q07") == ["a"]


def test_then_too_hooks_hear_what_was_settled_and_the_next_trip_is_refused(busy: BusyWorker) -> None:
    exchanger, worker = busy.worker.exchanger, busy.worker
    assert [job.id for job in exchanger.trip(1).jobs] == ["j2"]
    job = worker.start()
    worker.batch.finish(job, Outcome(job, Kind.DISCARDED, line=b"{}", after=object()))
    busy.system.redis("ZREM", busy.system.key("leases", "q07"), "w")
    busy.system.add("a", queue="q07")

    assert [job.id for job in exchanger.trip(1).jobs] == ["j3"]
    assert [(outcome.job.id, settled) for outcome, settled in exchanger.recorded] == [("j2", ("dead", "discarded"))]
    worker.finish(worker.start())
    exchanger.fast.begin_anew()
    with pytest.raises(Fenced):
        exchanger.trip(1)


def test_a_queue_whose_scheduled_is_of_the_wrong_type_is_mended_and_the_trip_goes_on(busy: BusyWorker) -> None:
    busy.system.redis("RPUSH", busy.system.key("scheduled", "q07"), "what somebody wrote")

    assert busy.next() == ["q31/j2"]
    assert busy.system.redis("EXISTS", busy.system.key("scheduled", "q07")) == 0


def test_a_token_that_came_as_its_wait_was_given_up_is_put_back(busy: BusyWorker) -> None:
    daemon, channel = map(Channel, socket.socketpair())
    wire, wakeup = Wire(busy.system.store.address), Wakeup()
    line = TokenLine(wire, lambda: names(MANY), (), Heard())
    wait = WakeWait([line], channel, wakeup, when_left=busy.worker.exchanger.fast.begin_anew)
    busy.system.use_up_token("q31")
    assert not wait.wait(0)
    assert busy.next() == ["q31/j2"]
    busy.system.add("a", queue="q07")
    busy.system.add("b", queue="q09")
    for queue in ("q07", "q09"):
        busy.system.use_up_token(queue)
    wait.cancel()

    assert busy.next() == ["q07/a"]
    for each in (daemon, channel, wakeup):
        each.close()
    assert busy.system.wakes("q09")


@pytest.mark.parametrize("way", [Way.FILLED, Way.ENOUGH])
def test_a_trip_that_reports_nothing_is_refused_when_it_comes_again(busy: BusyWorker, way: Way) -> None:
    call = trips.exchange(names(MANY), "w", 99, 1, LEASE_MS, way=way)
    busy.system.add("a", queue="q07")
    assert [job.id for job in busy.system.run(call).jobs] == ["a"]
    busy.system.add("b", queue="q08")

    assert busy.system.run(call).status is Status.LATE
    assert busy.system.ids("ready", "q08") == ["b"]
