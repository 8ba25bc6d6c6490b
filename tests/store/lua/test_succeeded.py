"""What is known of jobs that are over and of which nothing is kept: whether they are among the last successes."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, trips
from jqjobs.store.reads.jobs import Trace, job_or_trace
from store.queue_system import LEASE_MS, QueueSystem


def finish(system: QueueSystem, jobs: list[TakenJob]) -> None:
    """Report successes as most are, by their ids alone."""
    system.trips["w"] += 1
    system.run(trips.exchange(("q",), "w", system.trips["w"], 0, LEASE_MS, done=jobs))


def trace(system: QueueSystem, job_id: str) -> object:
    return system.run(job_or_trace("q", job_id))


SUCCEEDED, UNKNOWN = Trace(succeeded=True, trimmed=0), Trace(succeeded=False, trimmed=0)


@pytest.mark.parametrize(
    "job", [{}, {"key": "k"}, {"fields": ("limits", "c 2 0 db/running")}, {"fields": ("timeout", 5)}], ids=str
)
def test_a_success_is_told_from_what_never_was(system: QueueSystem, job: dict[str, object]) -> None:
    system.add("a", **job)
    system.round(Kind.DONE)

    assert (trace(system, "a"), trace(system, "b")) == (SUCCEEDED, UNKNOWN)


def test_so_is_one_that_needed_two_attempts_and_one_whose_worker_died_before_its_report(system: QueueSystem) -> None:
    system.add("a", "b")
    system.round(Kind.FAILED)
    system.take("w", 2)
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 2, "succeeded"), BoardEntry("b", 1, "succeeded")]))

    assert (trace(system, "a"), trace(system, "b")) == (SUCCEEDED, SUCCEEDED)


def test_what_is_kept_is_told_as_a_success_afterwards_too(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.KEPT, 100)
    system.clock.advance(100)
    system.tend()

    assert trace(system, "a") == SUCCEEDED


def test_what_is_dead_and_trimmed_or_malformed_has_not_succeeded(system: QueueSystem) -> None:
    system.add("a", "b")
    system.round(Kind.DISCARDED)
    system.round(Kind.MALFORMED)
    system.tend(max_dead=0)

    assert trace(system, "a") == Trace(succeeded=False, trimmed=1)
    assert not trace(system, "b").succeeded  # type: ignore[attr-defined]
    assert "was one of 1 dead ones that were trimmed" in trace(system, "a").in_words("q/a")  # type: ignore[attr-defined]


def test_the_last_thousand_are_remembered_and_not_many_more(system: QueueSystem) -> None:
    ids = [f"j{n:04}" for n in range(1600)]
    for at in range(0, len(ids), 400):
        system.add(*ids[at : at + 400])
        finish(system, system.take("w", 400))

    found = {job_id for job_id in ids if trace(system, job_id) == SUCCEEDED}
    assert found >= set(ids[-1000:])
    assert len(found) <= 1500
