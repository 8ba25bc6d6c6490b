"""Daemons whose workers have several slots, and jobs that hold them."""

from __future__ import annotations

from e2e.daemon import Daemon, Site
from jqjobs import JobHandle

#: The twins: what holds for one kind of job holds for the other.
HOLDS = ["hold", "hold_async"]


def start(site: Site, count: int, *flags: str, **environment: str) -> Daemon:
    """Start a daemon with one worker of so many slots."""
    return site.start_daemon("--app", "concurrent_jobs:app", "--concurrency", str(count), *flags, **environment)


def started(site: Site, jobs: list[JobHandle]) -> set[str]:
    return {note.id for note in site.notes("start")} & {job.id for job in jobs}


def wait_for_starts(site: Site, jobs: list[JobHandle]) -> None:
    for job in jobs:
        site.wait_for_start(job)


def holding(site: Site, *names: str) -> list[JobHandle]:
    """Send a job of each name that holds until the gate opens, and wait until all of them run."""
    jobs = site.send_many([(name, str(site.gate())) for name in names])
    wait_for_starts(site, jobs)
    return jobs
