"""When a job was taken is told for that job, not for the last batch of its worker."""

from __future__ import annotations

from jqjobs.job import Kind
from jqjobs.store.inspect import job_info
from store.rig import START_MS, Rig, outcome


def test_when_a_job_was_taken_is_its_own_moment_though_its_worker_took_others_since(rig: Rig) -> None:
    rig.add("a", "b", fields=("keep", 100_000))
    [first] = rig.take("w")
    rig.clock.advance(5000)
    rig.take("w")
    ended = outcome(first, Kind.KEPT, 1000)
    ended.taken_ms = START_MS
    rig.trip("w", 0, [ended])
    assert rig.run(job_info("q", "a")).started_ms == START_MS
