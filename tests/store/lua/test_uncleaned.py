"""What nobody has cleaned up after: told to the worker that takes the job next, or to who calls its hooks."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from jqjobs.store.calls.cancels import cancel
from jqjobs.store.calls.deaths import Death, deaths
from store.queue_system import LEASE_MS, QueueSystem

OWED = ["crashed", "suspect 1 1", "interrupted", "neighbour", "hung", "failed"]


def die(system: QueueSystem, word: str, worker: str = "dying") -> None:
    """Take the one job and die; ``word``: what the daemon says of it."""
    [job] = system.take(worker)
    system.run(leases.leave("q", worker, "killed", [BoardEntry(job.id, job.attempt, word)]))


def retake(system: QueueSystem, worker: str = "w") -> TakenJob:
    """Let its back-off pass and take the job again, also as a suspect."""
    system.clock.advance(60_000)
    [job] = system.take(worker, suspects=(1, 3))
    return job


def collect(system: QueueSystem) -> list[Death]:
    return system.run(deaths("q", ["n"], 10))  # type: ignore[no-any-return]


@pytest.mark.parametrize("word", OWED)
def test_the_worker_of_the_next_attempt_hears_of_the_one_that_died(system: QueueSystem, word: str) -> None:
    system.add("a")
    die(system, word)
    job = retake(system)
    assert (job.attempt, job.uncleaned) == (2, 1)
    system.settle("w", job, Kind.FAILED)
    assert retake(system).uncleaned == 0, "who reports has cleaned up"


def test_what_was_lost_with_its_lease_may_have_begun(system: QueueSystem) -> None:
    system.add("a")
    system.reaping_works_from_now()
    system.take("frozen")
    system.outlive_leases()
    assert retake(system).uncleaned == 1


@pytest.mark.parametrize("word", ["unstarted", "waiting 1"])
def test_what_did_not_begin_or_had_come_to_its_end_leaves_nothing_to_clean_up(system: QueueSystem, word: str) -> None:
    system.add("a")
    die(system, word)
    system.clock.advance(1000)
    system.tend()
    assert retake(system).uncleaned == 0


def test_it_stays_to_be_done_while_nobody_runs_the_job(system: QueueSystem) -> None:
    system.add("a")
    die(system, "crashed")
    system.settle("w", retake(system), Kind.RELEASED)
    assert retake(system).uncleaned == 1


def test_of_a_dead_job_who_calls_its_hooks_hears_it_once(system: QueueSystem) -> None:
    system.run(leases.publish("q", LEASE_MS, {"n": {"hooks": True}}))
    system.add("a", fields=("max_crashes", 1))
    die(system, "crashed")
    [death] = collect(system)
    assert (death.reason, death.uncleaned) == ("crashed", 1)
    assert "uncleaned" not in system.job("a")


def test_a_cancelled_job_that_had_begun_is_handed_out_for_its_cleanup_alone(system: QueueSystem) -> None:
    system.run(leases.publish("q", LEASE_MS, {"n": {"hooks": True}}))
    system.add("a")
    [job] = system.take("dying")
    system.run(cancel("q", ["a"]))
    system.run(leases.leave("q", "dying", "killed", [BoardEntry("a", job.attempt, "cancelled")]))
    [death] = collect(system)
    assert (death.reason, death.uncleaned) == ("cancelled", 1)
    system.add("b")
    system.run(cancel("q", ["b"]))
    assert collect(system) == []
