"""Blame where nobody knows whose doing a death was: suspects wait apart, run in small groups, and hold up nobody."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.jobs.blame import Scope
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from store.queue_system import QueueSystem, outcome

ALONE, PAIRS = "suspect 1 1", "suspect 2 1"


def new_worker(system: QueueSystem, *queues: str) -> str:
    """Join a worker; return its id."""
    worker = f"w{len(system.trips)}"
    system.trips[worker] = 0
    system.join(worker, queues=queues or ("q",))
    return worker


def dies(system: QueueSystem, *words: tuple[TakenJob, str]) -> None:
    """Let a worker die, with what its daemon says of jobs that it ran."""
    board = [BoardEntry(job.id, job.attempt, word) for job, word in words]
    system.run(leases.leave("q", worker_of(system, words[0][0].id), "its worker went down", board))


def suspects(system: QueueSystem, *ids: str, word: str = ALONE, queue: str = "q", **job: object) -> None:
    """Jobs that ran when their worker died."""
    system.add(*ids, queue=queue, **job)  # type: ignore[arg-type]
    worker = new_worker(system, queue)
    taken = system.take(worker, len(ids), queues=(queue,))
    assert [job.id for job in taken] == list(ids)
    board = [BoardEntry(job.id, job.attempt, word) for job in taken]
    system.run(leases.leave(queue, worker, "its worker went down", board))


def get(system: QueueSystem, want: int = 9, most: int = 9, scope: Scope = Scope.HOST, **trip: Any) -> list[TakenJob]:
    """Return what a new worker gets that asks for suspects."""
    worker = new_worker(system, *trip.get("queues", ()))
    return system.trip(worker, want, suspects=(most, scope), **trip).jobs


def ids_got(system: QueueSystem, **trip: Any) -> list[str]:
    return [job.id for job in get(system, **trip)]


def lose(system: QueueSystem, *ids: str) -> None:
    """Let the lease run out of a worker that has these jobs in hand."""
    system.reaping_works_from_now()
    assert ids_got(system) == list(ids)
    system.outlive_leases()


def worker_of(system: QueueSystem, job_id: str) -> str:
    [state] = system.states(job_id)
    return state.removeprefix("active:")


def test_nobody_is_charged_and_they_wait_apart(system: QueueSystem) -> None:
    suspects(system, "a", "b", word=PAIRS)

    assert system.counters("a") == {"executions": 1}
    assert [line["reason"] for line in system.history("a")] == ["interrupted"]
    assert (system.ids("suspects"), system.ids("ready")) == (["a", "b"], [])


def test_they_hold_up_nobody_whatever_their_priority(system: QueueSystem) -> None:
    suspects(system, "a", priority=9)
    system.add("b", "c")

    assert [job.id for job in system.take("w", 9)] == ["b", "c"]


def test_only_who_asks_gets_them_and_gets_them_first(system: QueueSystem) -> None:
    suspects(system, "a")
    system.add("b", priority=9)

    assert ids_got(system, free=3) == ["a", "b"]


def test_a_worker_with_one_slot_takes_nothing_beside_a_suspect(system: QueueSystem) -> None:
    suspects(system, "a")
    system.add("b")

    assert ids_got(system) == ["a"]


@pytest.mark.parametrize(
    ("word", "together"), [(ALONE, "a"), ("suspect -3 1", "a"), (PAIRS, "ab"), ("suspect 3 1", "abc")]
)
def test_as_many_run_at_once_as_each_of_them_allows(system: QueueSystem, word: str, together: str) -> None:
    suspects(system, *"abcde", word=word)

    assert "".join(ids_got(system, free=9)) == together


def test_no_more_are_taken_than_can_start(system: QueueSystem) -> None:
    suspects(system, *"abcde", word="suspect 5 1")

    assert ids_got(system, most=2, free=2) == ["a", "b"]


@pytest.mark.parametrize(("scope", "found"), [(Scope.WORKER, ["a"]), (Scope.DAEMON, ["b"]), (Scope.HOST, ["c"])])
def test_a_worker_gets_those_of_its_scope_or_a_narrower_one(
    system: QueueSystem, scope: Scope, found: list[str]
) -> None:
    for job_id, word in (("c", "suspect 1 3"), ("b", "suspect 1 2"), ("a", "suspect 1 1")):
        suspects(system, job_id, word=word)

    assert ids_got(system, scope=scope)[:1] == found


def test_queues_have_their_turn(system: QueueSystem) -> None:
    queues = ("q", "second")
    suspects(system, "a", "b")
    suspects(system, "x", "y", queue="second")
    worker = new_worker(system, *queues)
    got = []
    for _ in range(2):
        [job] = system.trip(worker, 9, suspects=(9, Scope.HOST), queues=queues).jobs
        system.trip(worker, 0, [outcome(job, Kind.DONE)], queues=queues)
        system.trips[worker] += 1
        got.append(job.queue)

    assert got in (["q", "second"], ["second", "q"])


def test_a_paused_queue_gives_none(system: QueueSystem) -> None:
    suspects(system, "a")
    system.run(upkeep.pause("q"))

    assert ids_got(system) == []


def test_a_limit_lets_them_start_or_they_stay_and_it_holds_none(system: QueueSystem) -> None:
    limit = ("limits", "c 1 0 one/running")
    suspects(system, "a", fields=limit)
    suspects(system, "b", word=PAIRS)
    system.add("runs", fields=limit)
    [running] = system.take("busy", 1)

    assert ids_got(system, free=9) == ["b"], "the place is taken"
    assert (system.ids("suspects"), system.ids("held")) == (["a"], [])
    system.trip("busy", 0, [outcome(running, Kind.DONE)])
    assert ids_got(system, free=9) == ["a"]


def test_a_crash_of_one_that_was_alone_is_charged_and_it_stays_alone(system: QueueSystem) -> None:
    suspects(system, "a", word=PAIRS)
    [job] = get(system)
    dies(system, (job, "crashed"))

    assert system.counters("a") == {"executions": 2, "crashes": 1}
    assert (system.states("a"), system.job("a")["suspect"]) == (["scheduled"], "1 1")
    system.clock.advance(5000)
    assert ids_got(system) == [], "promoted by this trip"
    assert ids_got(system) == ["a"]


def test_what_was_not_started_stays_a_suspect_in_its_place(system: QueueSystem) -> None:
    suspects(system, "a", "b", word=PAIRS)
    taken = get(system, free=2)
    dies(system, (taken[1], "neighbour"))

    assert system.ids("suspects") == ["a", "b"]
    assert system.counters("a") == {"executions": 1}
    assert system.counters("b") == {"executions": 2, "interrupts": 1}


def test_an_attempt_that_ends_in_order_clears_it(system: QueueSystem) -> None:
    suspects(system, "a")
    [job] = get(system)
    system.trip(worker_of(system, "a"), 0, [outcome(job, Kind.FAILED)])

    assert "suspect" not in system.job("a")
    assert system.states("a") == ["ready"]


def test_one_that_is_dead_and_sent_back_is_none_any_more(system: QueueSystem) -> None:
    suspects(system, "pill", fields=("max_crashes", 1))
    [job] = get(system)
    dies(system, (job, "crashed"))
    assert system.states("pill") == ["dead"]
    system.run(upkeep.retry("q", ["pill"]))

    assert "suspect" not in system.job("pill")
    assert system.states("pill") == ["ready"]


def test_a_lease_that_ran_out_charges_nobody_and_the_first_time_suspects_nobody(system: QueueSystem) -> None:
    system.add("a")
    lose(system, "a")

    assert system.counters("a") == {"executions": 1, "lost": 1}
    assert [line["reason"] for line in system.history("a")] == ["lost"]
    assert system.ids("ready") == ["a"]


def test_what_is_lost_again_waits_and_is_alone_on_its_host(system: QueueSystem) -> None:
    system.add("a")
    lose(system, "a")
    lose(system, "a")

    assert (system.states("a"), system.job("a")["suspect"]) == (["suspects"], "1 3")
    assert int(system.job("a")["due"]) == system.history("a")[-1]["ended_ms"] + 5000


def test_what_is_lost_twenty_times_in_a_row_is_dead(system: QueueSystem) -> None:
    system.add("a", fields=("max_crashes", 1))
    for _ in range(20):
        assert system.states("a") != ["dead"]
        system.clock.advance(3_600_000)
        system.tend()
        lose(system, "a")

    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "lost")
    assert system.counters("a") == {"executions": 20, "lost": 20}


def test_an_attempt_that_ends_in_between_begins_the_count_anew(system: QueueSystem) -> None:
    system.add("a")
    lose(system, "a")
    system.round(Kind.FAILED)

    assert "lost" not in system.job("a")


def test_what_is_reaped_of_a_drain_was_interrupted_however_often(system: QueueSystem) -> None:
    system.add("a", fields=("max_crashes", 1))
    for n in range(25):
        worker = f"w{n}"
        system.reaping_works_from_now()
        [job] = system.take(worker, 1)
        assert job.id == "a"
        system.run(leases.drain("q", [worker, "stranger"]))
        system.outlive_leases()

    assert system.states("a") == ["ready"]
    assert system.counters("a") == {"executions": 25, "interrupts": 25}
    assert system.ids("draining") == []
