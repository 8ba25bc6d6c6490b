"""What workers tell of their attempts, against a real server: only while somebody listens, and then all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from jqjobs.store.calls.tail import TailEvent
from jqjobs.store.calls.tail_reader import TailReader
from jqjobs.store.store import Store
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker
from waiting import eventually

Seen = list[tuple[str, str, str | None]]


@pytest.fixture
def system(real_system: QueueSystem) -> QueueSystem:
    return real_system


@pytest.fixture
def worker(system: QueueSystem, connect: Callable[..., Store], tmp_path: Path) -> Iterator[ProcesslessWorker]:
    made = ProcesslessWorker(system, connect(system.url), tmp_path)
    yield made
    made.board.close()


@pytest.fixture
def reader(system: QueueSystem, connect: Callable[..., Store]) -> Iterator[TailReader]:
    made = TailReader(connect(system.url), lambda: ["q"])
    yield made
    made.close()


def sent(worker: ProcesslessWorker) -> None:
    """Do what the monitor does after a trip."""
    worker.tail.look(worker.batch.running)
    worker.tail.send(worker.exchanger.ask)


def read(reader: TailReader, count: int) -> list[TailEvent]:
    """Return as many events, once they have come."""
    events: list[TailEvent] = []

    def have_come() -> bool:
        events.extend(event for told in reader.read(0.1) for event in told.events)
        return len(events) >= count

    eventually(have_come, what=f"{count} events")
    return events


def seen(events: list[TailEvent]) -> Seen:
    return [(event.event, event.id, event.outcome) for event in events]


def test_nobody_listens_so_nothing_is_noted_and_nothing_is_sent(worker: ProcesslessWorker) -> None:
    worker.system.add("a")
    worker.exchanger.trip(1)
    job = worker.start()
    sent(worker)
    worker.finish(job)
    worker.exchanger.trip(1)
    worker.system.redis("CONFIG", "RESETSTAT")
    sent(worker)
    assert "cmdstat_publish" not in worker.system.redis("INFO", "COMMANDSTATS").decode()
    assert not worker.tail.is_on


def test_who_listens_hears_of_what_begins_and_once_it_is_recorded_of_how_it_ended(
    worker: ProcesslessWorker, reader: TailReader
) -> None:
    list(reader.read(0))
    worker.system.add("a", "b")
    worker.exchanger.trip(1)
    job = worker.start()
    sent(worker)
    [began] = read(reader, 1)
    assert began._replace(at_ms=0) == TailEvent("started", "a", "q", "n", 1, None, None, 0)
    worker.finish(job, Kind.DISCARDED)
    sent(worker)
    worker.exchanger.trip(1)
    sent(worker)
    [ended] = read(reader, 1)
    assert (ended.event, ended.id, ended.outcome) == ("ended", "a", "discarded")
    assert (ended.run_ms or 0) >= 0


def test_a_quick_attempt_that_nobody_saw_running_began_too(worker: ProcesslessWorker, reader: TailReader) -> None:
    list(reader.read(0))
    worker.system.add("a")
    worker.exchanger.trip(1)
    worker.finish(worker.start())
    worker.exchanger.trip(0)
    sent(worker)
    assert seen(read(reader, 2)) == [("started", "a", None), ("ended", "a", "done")]


def test_the_end_of_what_ran_already_when_somebody_began_to_listen_is_told(
    worker: ProcesslessWorker, reader: TailReader
) -> None:
    worker.system.add("a")
    worker.exchanger.trip(1)
    job = worker.start()
    job.started_ms -= 60_000
    list(reader.read(0))
    worker.finish(job)
    worker.exchanger.trip(0)
    sent(worker)
    [ended] = read(reader, 1)
    assert (ended.event, ended.outcome) == ("ended", "done")
    assert (ended.run_ms or 0) >= 60_000


def test_workers_fall_silent_when_nobody_listens_any_more(worker: ProcesslessWorker, reader: TailReader) -> None:
    list(reader.read(0))
    worker.exchanger.trip(0)
    assert worker.tail.is_on
    worker.system.redis("HSET", worker.system.key("meta"), "tail", 1)  # long ago
    worker.exchanger.trip(0)
    assert not worker.tail.is_on


def test_what_is_too_much_is_left_out_and_counted(worker: ProcesslessWorker, reader: TailReader) -> None:
    list(reader.read(0))
    names = [f"j{n}" for n in range(400)]
    worker.system.add(*names)
    worker.exchanger.trip(1)
    worker.finish(worker.start())
    worker.exchanger.trip(400)
    sent(worker)
    for _ in range(399):
        worker.finish(worker.start())
    worker.exchanger.trip(1)
    sent(worker)
    worker.system.add("last")
    worker.exchanger.trip(1)
    worker.finish(worker.start())
    worker.exchanger.trip(0)
    sent(worker)
    assert len(read(reader, 2 + 500 + 2)) == 504
    assert reader.lost == 2 * 399 - 500


@pytest.mark.parametrize(("word", "outcome"), [("crashed", "crashed"), ("hung", "hung"), ("neighbour", "interrupted")])
def test_scripts_tell_of_ends_that_no_worker_can_tell_of(
    system: QueueSystem, reader: TailReader, word: str, outcome: str
) -> None:
    list(reader.read(0))
    system.add("a")
    [job] = system.take()
    system.run(leases.leave("q", "w", "killed", [BoardEntry(job.id, job.attempt, word)], "", 0.5))
    [ended] = read(reader, 1)
    assert ended == TailEvent("ended", "a", "q", "n", 1, outcome, None, system.clock.now_ms)


def test_where_there_is_no_queue_yet_who_listens_waits(system: QueueSystem, connect: Callable[..., Store]) -> None:
    queues: list[str] = []
    reader = TailReader(connect(system.url), lambda: queues)
    began_s = time.monotonic()
    assert list(reader.read(0.1)) == []
    assert time.monotonic() - began_s >= 0.1
    queues.append("q")
    reader._listens_at_s = 0.0  # the next look is due
    list(reader.read(0))
    assert system.redis("PUBSUB", "NUMSUB", system.key("tail"))[1] == 1
    reader.close()


def test_what_happens_while_events_are_sent_has_numbers_of_its_own(
    worker: ProcesslessWorker, reader: TailReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(reader.read(0))
    worker.system.add("a", "b", "c")
    worker.exchanger.trip(3)
    first, second, third = (worker.start() for _ in range(3))
    worker.tail.look([first])
    worker.tail.send(worker.exchanger.ask)
    worker.tail.look([second])
    monkeypatch.setattr(worker.tail, "_lock", OnceReleased(lambda: worker.tail.look([third])))
    worker.tail.send(worker.exchanger.ask)
    worker.tail.send(worker.exchanger.ask)
    assert [event.id for event in read(reader, 3)] == ["a", "b", "c"]
    assert reader.lost == 0


class OnceReleased:
    """A lock; something happens as soon as it is free for the first time."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then: Callable[[], None] | None = then

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()
