"""What batches may cost: an urgent job waits for no more than what a worker may hold, and long jobs hold up nobody."""

from __future__ import annotations

from e2e.daemon import Site
from jqjobs.jobs.records import State
from waiting import eventually

NAP_S = 0.005
#: --prefetch-ms is 20 by default: four such jobs held, half as many on their way, one running, and one to spare.
MOST_BEFORE_URGENT = 8


def test_an_urgent_job_overtakes_all_but_the_few_that_a_worker_holds(site: Site) -> None:
    site.start_daemon()
    naps = site.send_many([("nap", NAP_S)] * 300)
    eventually(lambda: len(site.notes("start")) > 60, what="the worker knows how long they last")
    urgent = site.send("quick", priority=10)
    started = len(site.notes("start"))
    site.wait_for(naps[-1], State.KEPT, 60)
    place = [note.id for note in site.notes("start")].index(urgent.id)
    assert place - started <= MOST_BEFORE_URGENT
    assert started + 100 < len(naps), "it was overtaken in the middle of the queue, not at its end"


def test_what_waits_behind_a_long_job_runs_elsewhere_meanwhile(site: Site) -> None:
    site.start_daemon("--processes", "2")
    site.wait_for(site.send_many([("quick",)] * 200)[-1], State.KEPT)  # so that batches have grown
    long = site.send("hold", str(site.gate()))
    quick = site.send_many([("quick",)] * 20)
    for job in quick:
        site.wait_for(job, State.KEPT)
    assert long.state() is State.ACTIVE
    site.gate().touch()
    site.wait_for(long, State.KEPT)
    assert {job.info().executions for job in (long, *quick)} == {1}


def test_without_prefetch_a_worker_holds_one_job_at_a_time(site: Site) -> None:
    site.start_daemon("--prefetch-ms", "0")
    quick = site.send_many([("quick",)] * 50)
    gated = site.send("hold", str(site.gate()))
    behind = site.send_many([("quick",)] * 5)
    site.wait_for_start(gated)
    assert {job.state() for job in behind} == {State.READY}
    site.gate().touch()
    site.wait_for(behind[-1], State.KEPT)
    assert [note.id for note in site.notes("start")] == [job.id for job in (*quick, gated, *behind)]
