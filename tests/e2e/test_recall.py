"""Quick jobs behind one that holds the GIL: their own worker cannot give them back, so its daemon does."""

from __future__ import annotations

import itertools
import time

from e2e.daemon import Daemon, Site
from jqjobs import JobHandle
from jqjobs.jobs.records import State

#: The job holds the GIL for about so long; the others are to be done before it ends.
_LONG_S = 6.0
#: That is processor time: where five share a core, half a minute.
_PATIENCE_S = 90.0


def turns(seconds: float) -> int:
    """How often the C call of the job turns in so much processor time; on a busy machine that takes longer."""
    began = time.thread_time()
    all(itertools.repeat(True, 5_000_000))
    return round(seconds / (time.thread_time() - began) * 5_000_000)


def send_long_and_others(site: Site) -> tuple[JobHandle, list[JobHandle]]:
    """Have batches grown, then send a job that holds the GIL, with quick ones behind it."""
    for job in site.send_many([("quick",)] * 100):
        site.wait_for(job, State.KEPT)
    long, *others = site.send_many([("hold_gil_at_once", turns(_LONG_S)), *[("quick",)] * 15])
    return long, others


def check_all_ran_once(site: Site, jobs: list[JobHandle]) -> None:
    started = [note.id for note in site.notes("start")]
    assert [started.count(job.id) for job in jobs] == [1] * len(jobs)


def recalled(daemon: Daemon) -> int:
    return sum(line["jobs"] for line in daemon.events("jobs.recalled"))


def test_jobs_behind_one_that_holds_the_gil_run_elsewhere_before_it_ends(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2", "--poll", "30")
    long, others = send_long_and_others(site)
    busy = site.wait_for_start(long)
    for job in others:
        site.wait_for(job, State.KEPT)
    assert long.state() is State.ACTIVE, "they did not wait for it"
    assert busy.pid not in {note.pid for note in site.notes("start") if note.id in {job.id for job in others}}
    site.wait_for(long, State.KEPT, _PATIENCE_S)
    check_all_ran_once(site, [long, *others])
    assert recalled(daemon) > 0
    assert daemon.events("settle.stale") == [], "what its worker gives back later is no news"


def test_a_worker_that_was_told_goes_on_with_other_jobs_afterwards(site: Site) -> None:
    daemon = site.start_daemon("--poll", "30")
    long, others = send_long_and_others(site)
    site.wait_for(long, State.KEPT, _PATIENCE_S)
    for job in others:
        site.wait_for(job, State.KEPT)
    check_all_ran_once(site, [long, *others])
    assert recalled(daemon) > 0, "nobody else was there to run them, but somebody might have come"
    assert len(daemon.workers()) == 1
