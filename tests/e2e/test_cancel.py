"""Cancelling with real daemons and workers: softly, then by kill; whatever happens meanwhile, it is final."""

from __future__ import annotations

import os
import signal

import pytest

from e2e.daemon import Daemon, Site, is_running
from jqjobs import JobHandle
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import State
from jqjobs.link.board import Board
from jqjobs.store.calls.cancels import CancelAnswer
from waiting import eventually

#: The daemon asks twice a second. So long on a machine that is slow or busy; the kill comes after a minute.
SOFT_MS = 10_000
pytestmark = pytest.mark.xdist_group("cancel")


@pytest.fixture(scope="module")
def daemon(module_site: Site) -> Daemon:
    """One that kills nothing itself, for all tests that do not end it."""
    return module_site.start_daemon("--kill-after", "60")


def test_a_running_job_is_cancelled_softly_and_its_worker_goes_on(shared_site: Site, daemon: Daemon) -> None:
    job = shared_site.send("nap", 60)
    pid = shared_site.wait_for_start(job).pid
    asked_ms = monotonic_ms()
    assert job.cancel() is CancelAnswer.CANCELLING
    info = shared_site.wait_for(job, State.DEAD)
    assert monotonic_ms() - asked_ms < SOFT_MS
    assert (info.reason, info.failures, info.crashes, info.interrupts, info.executions) == ("cancelled", 0, 0, 0, 1)
    [attempt] = info.history
    assert (attempt.reason, "JobCancelled" in (attempt.error or "")) == ("cancelled", True)
    assert "time.sleep" in (attempt.traceback or "")
    follower = shared_site.send("quick")
    assert shared_site.wait_for(follower, State.KEPT).result == pid
    assert (daemon.workers(), shared_site.notes("end")) == ([pid], [])
    assert job.cancel() is CancelAnswer.FINISHED


@pytest.mark.usefixtures("daemon")
def test_a_coroutine_is_cancelled_softly(shared_site: Site) -> None:
    job = shared_site.send("nap_async", 60)
    shared_site.wait_for_start(job)
    job.cancel()
    assert shared_site.wait_for(job, State.DEAD).reason == "cancelled"


@pytest.mark.parametrize(("name", "seconds"), [("swallow", 60), ("hold_gil", 60)])
def test_a_job_that_does_not_heed_it_is_killed_and_keeps_its_stack(site: Site, name: str, seconds: float) -> None:
    daemon = site.start_daemon()
    job = site.send(name, seconds)
    pid = site.wait_for_start(job).pid
    job.cancel()
    info = site.wait_for(job, State.DEAD)
    assert (info.reason, info.failures, info.crashes, info.executions) == ("cancelled", 0, 0, 1)
    [attempt] = info.history
    assert (attempt.reason, "did not heed" in (attempt.error or "")) == ("cancelled", True)
    assert f"in {name}" in (attempt.traceback or "")
    assert daemon.wait_for_event("job.killed")["reason"] == "cancelled"
    assert not is_running(pid)
    site.wait_for(site.send("quick"), State.KEPT)


@pytest.mark.usefixtures("daemon")
def test_it_is_final_also_when_the_worker_is_killed_before_it_heeds_that(shared_site: Site) -> None:
    job = shared_site.send("swallow", 60)
    pid = shared_site.wait_for_start(job).pid
    assert job.cancel() is CancelAnswer.CANCELLING
    os.kill(pid, signal.SIGKILL)
    info = shared_site.wait_for(job, State.DEAD)
    assert (info.reason, info.crashes, [attempt.reason for attempt in info.history]) == ("cancelled", 0, ["cancelled"])
    shared_site.wait_for(shared_site.send("quick"), State.KEPT)
    assert len(shared_site.notes("start", job)) == 1


def test_it_is_final_also_when_the_daemon_is_killed_meanwhile(site: Site) -> None:
    daemon = site.start_daemon("--kill-after", "60", "--lease", "60")
    job = site.send("swallow", 60)
    site.wait_for_start(job)
    job.cancel()
    daemon.kill()
    site.start_daemon("--lease", "60")
    assert site.wait_for(job, State.DEAD).reason == "cancelled"
    assert len(site.notes("start", job)) == 1


def test_a_prefetched_job_is_dropped_before_it_starts(site: Site) -> None:
    site.start_daemon("--prefetch-ms", "10000")
    for job in site.send_many([("quick",)] * 100):  # so that many are taken at a time
        site.wait_for(job, State.KEPT)
    first, *others = site.send_many([("hold", str(site.gate())), *[("quick",)] * 5])
    site.wait_for_start(first)
    assert {job.state() for job in others} == {State.ACTIVE}, "they are in the same batch"
    assert [job.cancel() for job in others[:3]] == [CancelAnswer.CANCELLING] * 3
    eventually(lambda: _told(site, others[:3]), what="the board says so")
    site.gate().touch()
    assert [site.wait_for(job, State.DEAD).reason for job in others[:3]] == ["cancelled"] * 3
    assert [site.wait_for(job, State.KEPT).state for job in (first, *others[3:])] == ["kept"] * 3
    assert not [note for job in others[:3] for note in site.notes("start", job)]


def _told(site: Site, jobs: list[JobHandle]) -> bool:
    [path] = (site.directory / "boards").rglob("*.board")
    board = Board(path)
    told = {entry.id for entry in board.entries() if entry.cancelled_ms}
    board.close()
    return told == {job.id for job in jobs}


def test_what_waits_is_cancelled_without_any_daemon(site: Site) -> None:
    job = site.send("quick", delay=3600)
    assert job.cancel() is CancelAnswer.CANCELLED
    assert job.info().reason == "cancelled"


def test_a_job_whose_worker_retires_is_still_cancelled(site: Site) -> None:
    daemon = site.start_daemon("--kill-after", "60")
    job = site.send("nap", 60)
    site.wait_for_start(job)
    daemon.send(signal.SIGHUP)
    daemon.wait_for_event("worker.ready", 2)
    job.cancel()
    assert site.wait_for(job, State.DEAD).reason == "cancelled"
    eventually(lambda: len(daemon.workers()) == 1, what="the old worker is gone")
