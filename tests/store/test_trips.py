"""The worker's conversation with Redis: trips that are under way while jobs run, break, or are answered to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.board import PLACES
from jqjobs.errors import StoreUnavailable
from jqjobs.job import Kind, TakenJob
from jqjobs.store import calls
from jqjobs.store.store import Store
from jqjobs.worker.exchange import Fenced
from store.hands import Hands
from store.rig import Rig


@pytest.fixture
def hands(rig: Rig, connect: Callable[..., Store], tmp_path: Path) -> Iterator[Hands]:
    made = Hands(rig, connect(rig.url), tmp_path)
    yield made
    made.board.close()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the events that are logged."""
    names: list[str] = []
    monkeypatch.setattr("jqjobs.log.event", lambda name, /, **fields: names.append(name))
    return names


def breaks(*_: Any) -> Any:
    raise StoreUnavailable()


# One at a time


def test_a_trip_reports_what_is_finished_and_brings_jobs_into_the_batch(hands: Hands) -> None:
    hands.rig.add(*"abcd")
    trip = hands.exchanger.trip(3)
    assert ([job.id for job in trip.jobs], hands.batch.waiting) == (["a", "b", "c"], 3)
    hands.finish(hands.start())
    hands.finish(hands.start(), Kind.DISCARDED)
    hands.exchanger.trip(0)
    assert hands.rig.active() == {"w": ["c"]}
    assert hands.rig.states("b") == ["dead"]
    assert hands.on_board() == {"c": "held"}


def test_what_a_job_leaves_to_its_registration_is_filled_in_before_it_is_on_the_board(hands: Hands) -> None:
    def complete(job: TakenJob) -> TakenJob:
        job.timeout_ms = 1234
        return job

    hands.exchanger._complete = complete
    hands.rig.add("a")
    hands.exchanger.trip(1)
    assert [entry.timeout_ms for entry in hands.board.entries()] == [1234]


def test_a_place_is_freed_when_redis_has_recorded_the_outcome(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    hands.rig.add(*"ab")
    hands.exchanger.trip(2)
    hands.finish(hands.start())
    hands.finish(hands.start(), Kind.DISCARDED)
    hands.exchanger.send(0)
    assert hands.batch.room == PLACES - 2, "it is only on its way"
    with monkeypatch.context() as broken:
        broken.setattr(hands.store, "receive", breaks)
        with pytest.raises(StoreUnavailable):
            hands.exchanger.receive()
    assert (hands.batch.room, hands.on_board()) == (PLACES - 2, {"a": "succeeded", "b": "failed"})
    hands.exchanger.trip(0)
    assert (hands.batch.room, hands.on_board()) == (PLACES, {})


def test_no_more_is_asked_for_than_there_are_places(hands: Hands) -> None:
    hands.rig.add(*(f"j{n}" for n in range(PLACES + 3)))
    while hands.exchanger.trip(150).jobs:
        pass
    assert (hands.batch.waiting, hands.batch.room) == (PLACES, 0)


def test_a_worker_without_a_lease_is_fenced_and_its_outcomes_change_nothing(hands: Hands) -> None:
    hands.rig.add("a")
    hands.exchanger.trip(1)
    hands.finish(hands.start())
    hands.rig.run(calls.leave("q", "w", "interrupt"))
    with pytest.raises(Fenced):
        hands.exchanger.trip(1)
    assert hands.rig.states("a") == ["ready"]


# Under way


def test_while_a_trip_is_under_way_jobs_run_and_are_reported_by_the_next_one(hands: Hands) -> None:
    hands.rig.add(*"abc")
    hands.exchanger.trip(2)
    hands.finish(hands.start())
    hands.exchanger.send(1)
    hands.finish(hands.start())
    assert hands.exchanger.under_way
    trip = hands.exchanger.receive()
    assert ([job.id for job in trip.jobs], hands.exchanger.under_way) == (["c"], False)
    assert hands.on_board() == {"b": "succeeded", "c": "held"}
    assert hands.rig.active() == {"w": ["b", "c"]}
    hands.exchanger.trip(0)
    assert hands.rig.active() == {"w": ["c"]}


def test_jobs_of_a_trip_that_the_monitor_finds_go_back_and_the_main_thread_hears_of_it_later(hands: Hands) -> None:
    """A long job runs in the main thread: they would wait behind it."""
    hands.rig.add(*"abcd")
    hands.exchanger.trip(2)
    hands.finish(hands.start())
    hands.start()
    hands.exchanger.send(2)
    assert hands.exchanger.report(gives_back=True)
    assert (hands.rig.ids(), hands.rig.active()) == (["c", "d"], {"w": ["b"]})
    assert hands.on_board() == {"b": "running"}
    assert hands.exchanger.under_way
    trip = hands.exchanger.receive()
    assert [job.id for job in trip.jobs] == ["c", "d"]
    assert (hands.batch.waiting, hands.exchanger.under_way) == (0, False)


def test_where_slots_are_free_for_them_jobs_that_the_monitor_finds_stay(hands: Hands) -> None:
    hands.rig.add("a")
    hands.exchanger.send(1)
    assert hands.exchanger.report(gives_back=False)
    assert (hands.rig.active(), hands.on_board()) == ({"w": ["a"]}, {"a": "held"})


def test_another_call_between_trips_takes_no_answer_away(hands: Hands) -> None:
    hands.rig.add("a")
    hands.exchanger.send(1)
    assert hands.exchanger.ask(calls.know(["q", "r"])) == 2
    assert not hands.exchanger.has_news()
    assert [job.id for job in hands.exchanger.receive().jobs] == ["a"]


# Broken


def test_an_error_while_sending_is_told_by_receive_and_the_outcomes_are_still_here(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.rig.add(*"abc")
    hands.exchanger.trip(3)
    hands.finish(hands.start())
    hands.finish(hands.start(), Kind.DISCARDED)
    with monkeypatch.context() as broken:
        broken.setattr(hands.store, "send", breaks)
        hands.exchanger.send(1)
    assert hands.exchanger.under_way
    with pytest.raises(StoreUnavailable):
        hands.exchanger.receive()
    assert hands.batch.has_outcomes
    hands.exchanger.trip(0)
    assert (hands.rig.active(), hands.rig.states("b")) == ({"w": ["c"]}, ["dead"])


def test_the_monitor_says_that_redis_did_not_hear_it_and_tries_again_later(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.rig.add("a")
    hands.exchanger.trip(1)
    hands.finish(hands.start())
    with monkeypatch.context() as broken:
        broken.setattr(hands.store, "receive", breaks)
        assert not hands.exchanger.report(gives_back=False)
    assert (hands.batch.has_outcomes, hands.on_board()) == (True, {"a": "succeeded"})
    assert hands.exchanger.report(gives_back=False)
    assert (hands.rig.active(), hands.batch.has_outcomes) == ({}, False)


def test_after_a_broken_trip_what_is_held_and_runs_is_named_and_the_rest_goes_back(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.rig.add(*"abcde")
    hands.exchanger.trip(3)
    hands.finish(hands.start())
    hands.start()
    with monkeypatch.context() as broken:
        broken.setattr(hands.store, "receive", breaks)
        with pytest.raises(StoreUnavailable):
            hands.exchanger.trip(2)
    hands.store.close()
    assert hands.rig.active() == {"w": ["b", "c", "d", "e"]}, "it was taken, and nobody here knows"
    hands.exchanger.trip(0)
    assert (hands.rig.active(), hands.rig.ids()) == ({"w": ["b", "c"]}, ["d", "e"])
    hands.exchanger.trip(5)
    assert hands.on_board() == {"b": "running", "c": "held", "d": "held", "e": "held"}


# Too late


def test_an_outcome_that_came_too_late_is_logged(hands: Hands, logged: list[str]) -> None:
    hands.rig.add("a")
    hands.exchanger.trip(1)
    job = hands.start()
    hands.rig.trip("w", held=(), number=2)
    hands.exchanger._number = 2
    hands.finish(job)
    hands.exchanger.trip(0)
    assert logged == ["settle.stale"]


def test_what_goes_back_after_its_daemon_has_given_it_back_is_nothing_to_log(hands: Hands, logged: list[str]) -> None:
    hands.rig.add(*"ab")
    hands.exchanger.trip(2)
    hands.rig.trip("w", held=(), number=2)
    hands.exchanger._number = 2
    hands.batch.give_back()
    hands.exchanger.trip(0)
    assert (logged, hands.rig.ids(), hands.on_board()) == ([], ["a", "b"], {})
