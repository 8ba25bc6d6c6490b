"""Which trips of a worker are fast ones, and what follows one that was refused, brought nothing, or broke."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.errors import StoreUnavailable
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.fast_trips import fast_trip
from jqjobs.store.reads.queues import queue_status
from jqjobs.store.store import Store
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker

WHOLE, FAST = "exchange", "single_trip"


@pytest.fixture
def worker(system: QueueSystem, tmp_path: Path) -> Iterator[ProcesslessWorker]:
    """It has run "a" of five jobs; the clock of Redis stands still, so that a whole trip is never long ago."""
    made = ProcesslessWorker(system, system.store, tmp_path)
    system.add(*"abcde")
    made.exchanger.trip(1)
    made.finish(made.start())
    yield made
    made.board.close()


@pytest.fixture
def sent(worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scripts of the trips that the worker makes from now on."""
    found: list[str] = []
    send = Store.send

    def noting(store: Store, call: Call[Any]) -> None:
        found.append(call.script.name)
        send(store, call)

    monkeypatch.setattr(Store, "send", noting)
    return found


def brought(worker: ProcesslessWorker, want: int = 1) -> list[str]:
    return [job.id for job in worker.exchanger.trip(want).jobs]


def done(worker: ProcesslessWorker) -> int | None:
    found: int | None = worker.system.run(queue_status("q")).done
    return found


def test_plain_jobs_come_in_fast_trips_as_long_as_there_are_more(worker: ProcesslessWorker, sent: list[str]) -> None:
    for job_id in "bcde":
        assert brought(worker) == [job_id]
        worker.finish(worker.start())
    assert brought(worker) == []

    assert (sent, done(worker)) == ([FAST, FAST, FAST, FAST, WHOLE], 5)
    assert (worker.on_board(), worker.system.active()) == ({}, {})


def test_where_it_was_refused_a_whole_trip_reports_the_same(worker: ProcesslessWorker, sent: list[str]) -> None:
    worker.system.run(upkeep.pause("q"))
    assert brought(worker) == []
    worker.system.run(upkeep.resume("q"))
    assert brought(worker) == ["b"]

    assert (sent, done(worker)) == ([FAST, WHOLE, WHOLE], 1)


def test_where_nothing_plain_came_a_whole_trip_follows_at_once(worker: ProcesslessWorker, sent: list[str]) -> None:
    worker.system.add("urgent", priority=5, fields=("timeout", 7))
    assert brought(worker) == ["urgent"]

    assert (sent, done(worker)) == ([FAST, WHOLE], 1)


@pytest.mark.parametrize("kind", [Kind.RELEASED, Kind.DISCARDED])
def test_what_has_more_to_say_makes_it_a_whole_trip(worker: ProcesslessWorker, sent: list[str], kind: Kind) -> None:
    brought(worker)
    worker.finish(worker.start(), kind)
    brought(worker)

    assert sent == [FAST, WHOLE]


def test_who_takes_nothing_makes_a_whole_trip(worker: ProcesslessWorker, sent: list[str]) -> None:
    brought(worker, 0)
    assert sent == [WHOLE]


def test_who_was_idle_makes_a_whole_trip(worker: ProcesslessWorker, sent: list[str]) -> None:
    worker.exchanger.fast.begin_anew()
    brought(worker)
    assert sent == [WHOLE]


def test_after_a_broken_one_nothing_is_counted_twice_and_what_it_took_goes_back(
    worker: ProcesslessWorker, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(store: Store, call: Call[Any]) -> Any:
        store.wire.reply()
        raise StoreUnavailable()

    worker.system.run(
        fast_trip("q", "nobody", 1, 1, done=[TakenJob("q", "a", 1, "", b"")])
    )  # from now on Redis knows the script
    sent.clear()
    with monkeypatch.context() as broken:
        broken.setattr(Store, "receive", breaks)
        with pytest.raises(StoreUnavailable):
            brought(worker)
    assert worker.system.active() == {"w": ["b"]}, "it arrived"
    worker.exchanger.trip(0)
    assert (worker.system.active(), worker.system.ids()) == ({}, [*"bcde"])

    assert (sent, done(worker)) == ([FAST, WHOLE], 1)


def test_what_a_fast_trip_under_way_brings_is_in_the_batch(worker: ProcesslessWorker, sent: list[str]) -> None:
    assert not worker.exchanger.bring(), "none is under way"
    worker.exchanger.send(1)
    assert worker.exchanger.bring()

    assert (worker.batch.unstarted_count, worker.exchanger.under_way, sent) == (1, False, [FAST])


def test_the_answer_of_the_whole_trip_that_followed_is_left_to_receive(
    worker: ProcesslessWorker, sent: list[str]
) -> None:
    worker.system.run(upkeep.pause("q"))
    worker.exchanger.send(1)
    assert not worker.exchanger.bring()

    assert worker.exchanger.receive().jobs == []
    assert sent == [FAST, WHOLE]
