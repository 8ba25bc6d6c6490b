"""What dies in a drain, freezes, or is lost with its host is charged nothing, however often: nobody saw it do harm."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable

from e2e.daemon import Daemon, Site
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from servers import Server
from waiting import eventually

APP = ("--app", "blame_jobs:app")
GRACE_S = 0.3


def start_host(site: Site, *flags: str, wait: bool = True) -> Daemon:
    """Start a daemon whose boards no other one sees."""
    boards = site.directory / f"host{len(site.daemons)}"
    return site.start_daemon(*APP, "--lease", "1", "--runtime-dir", str(boards), *flags, wait=wait)


def kill_all(daemon: Daemon, *, workers_first: bool = False) -> None:
    pids = [daemon.pid, *daemon.workers()]
    for pid in reversed(pids) if workers_first else pids:
        os.kill(pid, signal.SIGKILL)
    daemon.process.wait()


def lose_host(site: Site, daemon: Daemon, *, workers_first: bool = False) -> None:
    """Kill all that runs on a host, and take its boards along."""
    kill_all(daemon, workers_first=workers_first)
    shutil.rmtree(site.directory / f"host{site.daemons.index(daemon)}")


def begin_drain(daemon: Daemon, patience_s: float = GRACE_S) -> None:
    """Tell a daemon to end, and be as patient as a platform is that kills it then."""
    daemon.send(signal.SIGTERM)
    daemon.wait_for_event("signal")
    time.sleep(patience_s)


def start_soon(site: Site, job: JobHandle, nth: int) -> int:
    """Wait until a job has begun for the ``nth`` time; return how long it would have waited, ms: that is cut short."""
    delays = [0]

    def has_begun() -> bool:
        info = job.info()
        assert info.state != State.DEAD, info
        if info.state == State.SCHEDULED:
            delays.append((info.due_ms or 0) - info.now_ms)
            site.server.call("ZADD", f"jq:{{{job.queue}}}:scheduled", "XX", 0, job.id)
        return len(site.notes("start", job)) >= nth

    eventually(has_begun, what=f"start {nth} of {job.ref}")
    return max(delays)


def wait_for_end(job: JobHandle, nth: int) -> None:
    """Wait until Redis knows that the ``nth`` execution is over."""
    eventually(lambda: job.info().executions == nth, what=f"end {nth} of {job.ref}")


def running(site: Site, job: JobHandle) -> Daemon:
    """Return the daemon whose worker has begun a job last."""
    worker = site.notes("start", job)[-1].pid
    [daemon] = [each for each in site.daemons if worker in each.workers()]
    return daemon


def test_no_number_of_deploys_kills_a_job(site: Site) -> None:
    """TERM, then kill -9 of everything just when the grace ends, boards gone: pods of a platform that is in a hurry.

    19 such ends are on the job already; with the 20th that is a loss, and not an interrupt, it would be dead.
    """
    job = site.send("hold", str(site.gate()), max_crashes=1)
    site.server.call("HSET", f"jq:{{{job.queue}}}:job:{job.id}", "interrupts", 19, "lost", 19)
    flags = "--grace", str(GRACE_S)
    start_host(site, *flags)
    for deploy in range(1, 5):
        start_host(site, *flags, wait=False)
        site.wait_for_start(job, deploy)
        old = running(site, job)
        begin_drain(old, GRACE_S + (deploy % 4 - 2) / 50)
        lose_host(site, old, workers_first=deploy % 2 == 0)
    site.gate().touch()
    info = site.wait_for(job, State.KEPT)
    assert info.crashes == 0
    assert {attempt.reason for attempt in info.history} == {"interrupted"}


def test_a_drain_that_redis_was_not_told_of_stands_on_the_boards(
    start_server: Callable[..., Server], site_on: Callable[[Server], Site]
) -> None:
    site = site_on(start_server("redis", "--appendonly", "yes", "--appendfsync", "always"))
    job = site.send("hold", str(site.gate()), max_crashes=1)
    for deploy in (1, 2, 3):
        daemon = site.start_daemon(*APP, "--lease", "60", "--grace", str(GRACE_S))
        site.wait_for_start(job, deploy)
        site.server.kill()
        begin_drain(daemon)
        kill_all(daemon)
        site.server.restart()
    site.gate().touch()
    site.start_daemon(*APP)
    assert site.wait_for(job, State.KEPT).crashes == 0


def test_a_job_that_loses_its_host_four_times_is_free_and_waits_longer_each_time(site: Site) -> None:
    job = site.send("hold", str(site.gate()), max_crashes=1)
    host, delays = start_host(site), []
    for lost in range(4):
        delays.append(start_soon(site, job, lost + 1))
        survivor = start_host(site)
        lose_host(site, host)
        host = survivor
    site.gate().touch()
    delays.append(start_soon(site, job, 5))
    info = site.wait_for(job, State.KEPT)
    assert (info.crashes, info.interrupts, info.executions) == (0, 0, 5)
    assert [attempt.reason for attempt in info.history] == ["lost"] * 4
    assert delays[:2] == [0, 0], "the first time proves nothing at all"
    assert [round(delay / 5000) for delay in delays[2:]] == [1, 3, 9]


def test_what_may_kill_hosts_runs_alone_on_a_host_and_beside_it_all_others(site: Site) -> None:
    doomed = site.send_many([("bystander", 1, 2)] * 3, max_crashes=1)
    for _ in (1, 2):
        host = start_host(site, "--processes", "3")
        for job in doomed:
            start_soon(site, job, len(site.daemons))
        lose_host(site, host)
    start_host(site, "--processes", "3")
    for job in doomed:
        start_soon(site, job, 3)
        quick = site.send("quick")
        assert site.wait_for_start(quick)
    for job in doomed:
        assert site.wait_for(job, State.KEPT).crashes == 0
    runs = sorted((note.at_ms, note.event) for note in site.notes() if note.attempt > 2)
    assert [event for _, event in runs] == ["start", "end"] * 3, "one at a time"


def test_four_freezes_beyond_the_lease_are_charged_nothing(site: Site) -> None:
    job = site.send("hold", str(site.gate()), max_crashes=1)
    for _ in range(2):
        start_host(site)
    for freeze in range(1, 5):
        start_soon(site, job, freeze)
        frozen = running(site, job)
        [worker] = frozen.workers()
        services = len(frozen.events("worker.ready"))
        for pid in (frozen.pid, worker):
            os.kill(pid, signal.SIGSTOP)
        wait_for_end(job, freeze)
        for pid in (worker, frozen.pid):
            os.kill(pid, signal.SIGCONT)
        frozen.wait_for_event("worker.ready", services + 1)
    site.gate().touch()
    start_soon(site, job, 5)
    info = site.wait_for(job, State.KEPT)
    assert (info.crashes, info.interrupts, info.executions) == (0, 0, 5)
    assert [attempt.reason for attempt in info.history] == ["lost"] * 4
