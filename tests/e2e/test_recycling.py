"""Planned ends: workers replaced by count and by age, daemons that end after a time or when there is nothing left."""

from __future__ import annotations

import json
import shutil

import psutil
import pytest

from e2e.daemon import Daemon, Site
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from jqjobs.store.calls import upkeep
from waiting import eventually


def fewest_ready(daemon: Daemon) -> int:
    """Return how many workers took jobs at the worst moment after the first was ready."""
    change = {"worker.ready": 1, "worker.gone": -1, "worker.died": -1}
    ready, counts = 0, []
    for line in daemon.lines():
        if line["event"] in change:
            ready += change[line["event"]]
            counts.append(ready)
    return min(counts)


def test_max_jobs_replaces_workers_with_no_gap_and_no_lost_job(site: Site) -> None:
    daemon = site.start_daemon("--max-jobs", "10")
    jobs: list[JobHandle] = []

    def are_replaced() -> bool:
        jobs.extend(site.send_many([("quick",)] * 5))
        return len(daemon.events("worker.replaced")) >= 3

    eventually(are_replaced, what="workers were replaced")
    infos = [site.wait_for(job, State.KEPT) for job in jobs]
    assert {(info.executions, info.crashes, info.interrupts) for info in infos} == {(1, 0, 0)}
    assert len(site.notes("start")) == len(jobs)
    assert len({info.result for info in infos}) >= 3, "several workers took part"
    assert {line["reason"] for line in daemon.events("worker.recycle")} == {"max_jobs"}
    assert fewest_ready(daemon) == 1
    assert not daemon.events("worker.died")


def test_max_age_replaces_an_old_worker_when_its_job_is_done(site: Site) -> None:
    daemon = site.start_daemon("--max-age", "1s")
    job = site.send("nap", 2)
    first = site.wait_for_start(job).pid
    daemon.wait_for_event("worker.replaced")
    info = site.wait_for(job, State.KEPT)
    assert (info.result, info.executions, info.interrupts) == (first, 1, 0)
    eventually(lambda: site.wait_for(site.send("quick"), State.KEPT).result != first, what="another one works now")
    assert {line["reason"] for line in daemon.events("worker.recycle")} == {"max_age"}
    assert fewest_ready(daemon) == 1


def test_after_its_cooldown_a_daemon_finishes_and_ends_in_an_orderly_way(site: Site) -> None:
    daemon = site.start_daemon("--cooldown", "5s", "--processes", "2")
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    daemon.wait_for_event("daemon.cooldown")
    late = site.send("quick")
    eventually(lambda: len(daemon.workers()) == 1, what="the idle worker is gone")
    site.gate().touch()
    assert daemon.wait() == 0
    info = job.info()
    assert (info.state, info.executions, info.interrupts) == (State.KEPT, 1, 0)
    assert late.state() in (State.READY, State.KEPT)
    assert site.status().active == 0


def test_burst_ready_ends_when_all_is_done_and_leaves_what_is_delayed(site: Site) -> None:
    delayed = site.send("quick", delay="1h")
    jobs = site.send_many([*[("quick",)] * 50, ("nap", 1.5)])
    site.server.call("LPUSH", "jq:{default}:inbox", json.dumps({"job": "quick", "id": "raw", "keep_ms": 3_600_000}))
    daemon = site.start_daemon("--burst", "ready", "--grace", "0.2", "--processes", "2", wait=False)
    assert daemon.wait() == 0
    daemon.wait_for_event("daemon.exhausted")
    infos = [job.info() for job in jobs]
    assert {(info.state, info.executions, info.interrupts) for info in infos} == {(State.KEPT, 1, 0)}
    assert "raw" in {note.id for note in site.notes("start")}
    assert delayed.state() is State.SCHEDULED


def test_burst_scheduled_waits_for_delayed_jobs_and_for_retries(site: Site) -> None:
    app = site.write_app(
        "flaky",
        "from jqjobs import App, current_job\n"
        "app = App()\n"
        "@app.job(backoff='1s')\n"
        "def flaky():\n"
        "    if current_job().attempt == 1: raise OSError('not yet')\n",
    )
    job = site.send("flaky", delay="1s")
    assert site.start_daemon("--app", app, "--burst", "scheduled", wait=False).wait() == 0
    info = job.info()
    assert (info.state, info.executions, info.failures) == (State.KEPT, 2, 1)


@pytest.mark.parametrize("burst", ["ready", "scheduled"])
def test_a_burst_with_nothing_to_do_ends_at_once_and_waits_for_no_paused_queue(site: Site, burst: str) -> None:
    job = site.send("quick")
    site.client.run(upkeep.pause("default"))
    assert site.start_daemon("--burst", burst, wait=False).wait() == 0
    assert job.state() is State.READY


def test_workers_are_as_nice_as_they_are_told_and_the_daemon_is_not(site: Site) -> None:
    daemon = site.start_daemon("--nice", "5")
    [worker] = daemon.workers()
    own = psutil.Process(daemon.pid).nice()
    assert psutil.Process(worker).nice() == min(19, own + 5)
    assert own == psutil.Process().nice()


def test_a_deleted_runtime_directory_is_made_anew_and_every_worker_has_a_board_again(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2")
    boards = site.directory / "boards"
    before = {path.name for path in boards.glob("*/*.board")}
    shutil.rmtree(boards)
    eventually(lambda: len(daemon.events("worker.replaced")) == 2, what="both workers were replaced")
    after = {path.name for path in boards.glob("*/*.board")}
    assert (len(before), before & after, len(after) >= 2) == (2, set(), True)
    assert site.wait_for(site.send("quick"), State.KEPT).crashes == 0
