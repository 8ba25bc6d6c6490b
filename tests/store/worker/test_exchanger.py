"""The worker's conversation with Redis: trips that are under way while jobs run, break, or are answered to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jqjobs.errors import StoreUnavailable
from jqjobs.jobs.flow import OnDead, written
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board_layout import PLACES
from jqjobs.store.calls import batches, leases, upkeep
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.worker.trips import passing_on
from jqjobs.worker.trips.answers import Fenced
from log_lines import Lines
from store.queue_system import QueueSystem
from store.worker.processless_worker import ProcesslessWorker
from waiting import eventually


@pytest.fixture
def worker(system: QueueSystem, connect: Callable[..., Store], tmp_path: Path) -> Iterator[ProcesslessWorker]:
    made = ProcesslessWorker(system, connect(system.url), tmp_path)
    yield made
    made.board.close()


def breaks(*_: Any) -> Any:
    raise StoreUnavailable()


# One at a time


def test_a_trip_reports_what_is_finished_and_brings_jobs_into_the_batch(worker: ProcesslessWorker) -> None:
    worker.system.add(*"abcd")
    trip = worker.exchanger.trip(3)
    assert ([job.id for job in trip.jobs], worker.batch.unstarted_count) == (["a", "b", "c"], 3)
    worker.finish(worker.start())
    worker.finish(worker.start(), Kind.DISCARDED)
    worker.exchanger.trip(0)
    assert worker.system.active() == {"w": ["c"]}
    assert worker.system.states("b") == ["dead"]
    assert worker.on_board() == {"c": "in_hand"}


@pytest.mark.parametrize("home", ["q", "home"])
def test_who_settles_a_death_has_the_other_members_of_its_batch_cancelled(
    worker: ProcesslessWorker, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_on, "_FOR_S", 60.0)
    worker.system.run(batches.open_batch(home, "b", "nonce", OnDead.CANCEL, 1000))
    for queue, ids in (("q", "ab"), ("other", "c")):
        worker.system.add(*ids, queue=queue, fields=("flow", "b", "batch", f"{home}/b"))
        run_steps(worker.system.run, deliver_flow(queue))
    worker.system.run(batches.close_batch(home, "b", 3))
    worker.exchanger.trip(1)
    worker.finish(worker.start(), Kind.DISCARDED)
    worker.exchanger.trip(0)
    assert (worker.system.ids("dead"), worker.system.ids("dead", "other")) == (["a", "b"], ["c"])
    assert worker.system.run(batches.batch_status(home, "b")).is_over


def test_who_settles_a_death_cancels_some_members_after_each_trip_and_jobs_wait_for_no_more(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many at a time as a batch has in a page: 200 or a few more."""
    monkeypatch.setattr(passing_on, "_FOR_S", 0)
    always = written([b'{"job":"always"}'])
    worker.system.run(batches.open_batch("q", "b", "nonce", OnDead.CANCEL, 1000, b"", always))
    worker.system.add(*(f"m{number}" for number in range(1000)), fields=("flow", "b", "batch", "q/b"))
    worker.system.run(batches.close_batch("q", "b", 1000))
    worker.exchanger.trip(1)
    worker.finish(worker.start(), Kind.DISCARDED)
    dead = [0]
    while worker.exchanger.trip(0).more:
        dead.append(len(worker.system.ids("dead")))
    assert max((after - before for before, after in pairwise(dead)), default=1000) < 250
    assert (len(worker.system.ids("dead")), worker.system.ids()) == (1000, ["b.always"])


def test_what_a_job_leaves_to_its_registration_is_filled_in_before_it_is_on_the_board(
    worker: ProcesslessWorker,
) -> None:
    def complete(jobs: Iterable[TakenJob]) -> None:
        for job in jobs:
            job.timeout_ms = 1234

    worker.exchanger._answers._complete = complete
    worker.system.add("a")
    worker.exchanger.trip(1)
    assert [entry.timeout_ms for entry in worker.board.entries()] == [1234]


def test_a_place_is_freed_when_redis_has_recorded_the_outcome(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.system.add(*"ab")
    worker.exchanger.trip(2)
    worker.finish(worker.start())
    worker.finish(worker.start(), Kind.DISCARDED)
    worker.exchanger.send(0)
    assert worker.batch.free_places == PLACES - 2, "it is only on its way"
    with monkeypatch.context() as broken:
        broken.setattr(worker.store, "receive", breaks)
        with pytest.raises(StoreUnavailable):
            worker.exchanger.receive()
    assert (worker.batch.free_places, worker.on_board()) == (PLACES - 2, {"a": "succeeded", "b": "failed"})
    worker.exchanger.trip(0)
    assert (worker.batch.free_places, worker.on_board()) == (PLACES, {})


def test_no_more_is_asked_for_than_there_are_places(worker: ProcesslessWorker) -> None:
    worker.system.add(*(f"j{n}" for n in range(PLACES + 3)))
    while worker.exchanger.trip(150).jobs:
        pass
    assert (worker.batch.unstarted_count, worker.batch.free_places) == (PLACES, 0)


def test_a_worker_without_a_lease_is_fenced_and_its_outcomes_change_nothing(worker: ProcesslessWorker) -> None:
    worker.system.add("a")
    worker.exchanger.trip(1)
    worker.finish(worker.start())
    worker.system.run(leases.leave("q", "w"))
    with pytest.raises(Fenced):
        worker.exchanger.trip(1)
    assert worker.system.states("a") == ["ready"]


# Under way


def test_while_a_trip_is_under_way_jobs_run_and_are_reported_by_the_next_one(worker: ProcesslessWorker) -> None:
    worker.system.add(*"abc")
    worker.exchanger.trip(2)
    worker.finish(worker.start())
    worker.exchanger.send(1)
    worker.finish(worker.start())
    assert worker.exchanger.under_way
    trip = worker.exchanger.receive()
    assert ([job.id for job in trip.jobs], worker.exchanger.under_way) == (["c"], False)
    assert worker.on_board() == {"b": "succeeded", "c": "in_hand"}
    assert worker.system.active() == {"w": ["b", "c"]}
    worker.exchanger.trip(0)
    assert worker.system.active() == {"w": ["c"]}


def test_jobs_of_a_trip_that_the_monitor_finds_go_back_and_the_main_thread_hears_of_it_later(
    worker: ProcesslessWorker,
) -> None:
    """A long job runs in the main thread: they would wait behind it."""
    worker.system.add(*"abcd")
    worker.exchanger.trip(2)
    worker.finish(worker.start())
    worker.start()
    worker.exchanger.send(2)
    assert worker.exchanger.report(gives_back=True)
    assert (worker.system.ids(), worker.system.active()) == (["c", "d"], {"w": ["b"]})
    assert worker.on_board() == {"b": "running"}
    assert worker.exchanger.under_way
    trip = worker.exchanger.receive()
    assert [job.id for job in trip.jobs] == ["c", "d"]
    assert (worker.batch.unstarted_count, worker.exchanger.under_way) == (0, False)


def test_where_slots_are_free_for_them_jobs_that_the_monitor_finds_stay(worker: ProcesslessWorker) -> None:
    worker.system.add("a")
    worker.exchanger.send(1)
    assert worker.exchanger.report(gives_back=False)
    assert (worker.system.active(), worker.on_board()) == ({"w": ["a"]}, {"a": "in_hand"})


def test_what_ends_while_the_monitor_reports_is_left_to_the_next_trip_and_what_was_too_much_is_not(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main thread waits for the same lock. One report has 64 outcomes."""
    worker.system.add(*(f"j{number}" for number in range(80)))
    while worker.exchanger.trip(80).jobs:
        pass
    for _ in range(70):
        worker.finish(worker.start(), Kind.FAILED)
    receive, trips = worker.store.receive, []

    def ends_meanwhile(call: Any) -> Any:
        trips.append(call)
        if worker.batch.unstarted_count:
            worker.finish(worker.start(), Kind.FAILED)
        return receive(call)

    monkeypatch.setattr(worker.store, "receive", ends_meanwhile)
    assert worker.exchanger.report(gives_back=False)
    assert (len(trips), worker.batch.reports.pending) == (2, True)


def test_another_call_between_trips_takes_no_answer_away(worker: ProcesslessWorker) -> None:
    worker.system.add("a")
    worker.exchanger.send(1)
    assert worker.exchanger.ask(upkeep.add_queues(["q", "r"])) == 2
    assert not worker.exchanger.has_news()
    assert [job.id for job in worker.exchanger.receive().jobs] == ["a"]


# Broken


def test_an_error_while_sending_is_told_by_receive_and_the_outcomes_are_still_here(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.system.add(*"abc")
    worker.exchanger.trip(3)
    worker.finish(worker.start())
    worker.finish(worker.start(), Kind.DISCARDED)
    with monkeypatch.context() as broken:
        broken.setattr(worker.store, "send", breaks)
        worker.exchanger.send(1)
    assert worker.exchanger.under_way
    with pytest.raises(StoreUnavailable):
        worker.exchanger.receive()
    assert worker.batch.reports.pending
    worker.exchanger.trip(0)
    assert (worker.system.active(), worker.system.states("b")) == ({"w": ["c"]}, ["dead"])


def test_the_monitor_says_that_redis_did_not_hear_it_and_tries_again_later(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.system.add("a")
    worker.exchanger.trip(1)
    worker.finish(worker.start())
    with monkeypatch.context() as broken:
        broken.setattr(worker.store, "receive", breaks)
        assert not worker.exchanger.report(gives_back=False)
    assert (worker.batch.reports.pending, worker.on_board()) == (True, {"a": "succeeded"})
    assert worker.exchanger.report(gives_back=False)
    assert (worker.system.active(), worker.batch.reports.pending) == ({}, False)


def test_after_a_broken_trip_what_is_in_hand_is_named_and_the_rest_goes_back(
    worker: ProcesslessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.system.add(*"abcde")
    worker.exchanger.trip(3)
    worker.finish(worker.start())
    worker.start()
    worker.exchanger.fast.begin_anew()  # the server may not know the script of a fast trip yet, and take nothing
    with monkeypatch.context() as broken:
        broken.setattr(worker.store, "receive", breaks)
        with pytest.raises(StoreUnavailable):
            worker.exchanger.trip(2)
    worker.store.close()
    taken = {"w": ["b", "c", "d", "e"]}
    eventually(lambda: worker.system.active() == taken, 10, "it was taken, and nobody here knows")
    worker.exchanger.trip(0)
    assert (worker.system.active(), worker.system.ids()) == ({"w": ["b", "c"]}, ["d", "e"])
    worker.exchanger.trip(5)
    assert worker.on_board() == {"b": "running", "c": "in_hand", "d": "in_hand", "e": "in_hand"}


# Envelopes


def test_envelopes_that_have_to_wait_block_only_their_own_queue_and_that_is_said_once(
    system: QueueSystem, connect: Callable[..., Store], tmp_path: Path, logged: Lines
) -> None:
    worker = ProcesslessWorker(system, connect(system.url), tmp_path, queues=("q", "r"))
    system.run(upkeep.settings("q", {"max_length": 1}))
    system.add("a", due="+60000")
    system.push({"job": "n"}, {"job": "n"})
    system.push({"job": "n"}, queue="r")
    assert worker.exchanger.trip(0).more
    assert worker.exchanger.blocked == {"q"}
    system.run(upkeep.promote("q", ["a"]))
    worker.exchanger.trip(1)
    assert worker.exchanger.blocked == set(), "the job that was taken has made place for one"
    worker.exchanger.trip(0)
    assert worker.exchanger.blocked == {"q"}
    assert [line["queue"] for line in logged.of("ingest.blocked")] == ["q"]
    worker.board.close()


# Too late


def test_an_outcome_that_came_too_late_is_logged(worker: ProcesslessWorker, logged: Lines) -> None:
    worker.system.add("a")
    worker.exchanger.trip(1)
    job = worker.start()
    worker.system.trip("w", in_hand=(), number=2)
    worker.exchanger.packer.number = 2
    worker.finish(job)
    worker.exchanger.trip(0)
    assert logged.names() == ["settle.stale"]


def test_what_goes_back_after_its_daemon_has_given_it_back_is_nothing_to_log(
    worker: ProcesslessWorker, logged: Lines
) -> None:
    worker.system.add(*"ab")
    worker.exchanger.trip(2)
    worker.system.trip("w", in_hand=(), number=2)
    worker.exchanger.packer.number = 2
    worker.batch.give_back()
    worker.exchanger.trip(0)
    assert (logged.names(), worker.system.ids(), worker.on_board()) == ([], ["a", "b"], {})
