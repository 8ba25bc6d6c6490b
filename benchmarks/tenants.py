"""Many tenants, each with a limit of its own: one job at a time, or a rate. One worker, no-op jobs."""

from __future__ import annotations

from collections.abc import Iterator

from drain import drains
from figures import Figure
from jobs import one_at_a_time, paced
from stage import Stage

NAME = "tenants"
_JOBS_EACH = 3


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield the rate of each kind of limit, and what a job costs."""
    tenants = 1_000 if stage.quick else 10_000
    kinds = (("one at a time", one_at_a_time, "≥ 15,000"), ("a rate", paced, "≥ 15,000"))
    for label, job, target in kinds:
        found = drains(stage, 1, ("--queues", job.queue), tenants * _JOBS_EACH, job, lambda n: (n % tenants,))
        stage.clear()
        name = f"{tenants:,} tenants × {_JOBS_EACH}, {label}"
        yield Figure(NAME, name, "jobs/s", tuple(drain.jobs_s for drain in found), target=target)
        yield Figure(NAME, f"{name}: CPU of the worker", "µs/job", tuple(drain.worker_us for drain in found))
        yield Figure(NAME, f"{name}: CPU of the server", "µs/job", tuple(drain.server_us for drain in found))
        yield Figure(NAME, f"{name}: Redis commands", "per job", tuple(drain.commands for drain in found))
