"""When a job was taken: its own moment, not that of the last batch of its worker."""

from __future__ import annotations

from jqjobs.jobs.records import Kind
from jqjobs.store.reads.jobs import job_info
from store.queue_system import START_MS, QueueSystem, outcome


def test_when_a_job_was_taken_is_its_own_moment_though_its_worker_took_others_since(system: QueueSystem) -> None:
    system.add("a", "b", fields=("keep", 100_000))
    [first] = system.take("w")
    system.clock.advance(5000)
    system.take("w")
    first.taken_ms = START_MS
    system.trip("w", 0, [outcome(first, Kind.KEPT, 1000)])
    assert system.run(job_info("q", "a")).started_ms == START_MS
