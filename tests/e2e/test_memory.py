"""Too little memory: real daemons in real cgroups, jobs that leak, neighbours that take everything, a real OOM kill.

Sizes are in MB. A daemon and each of its workers take about 25 of them in a cgroup of their own; what they need is
left with a wide margin, as other versions of Python take other amounts.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from cgroups import Cgroup, limited
from e2e.daemon import Daemon, Site
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import State
from waiting import eventually

pytestmark = pytest.mark.xdist_group("memory")
MB = 1_000_000
APP = ("--app", "memory_jobs:app")

MakeCgroup = Callable[[int], Cgroup]


@pytest.fixture
def cgroup(site: Site) -> Iterator[MakeCgroup]:
    """Make a cgroup with so many MB. What is left in it is killed before the site looks at its daemons."""
    with ExitStack() as groups:
        yield lambda megabytes: groups.enter_context(limited(megabytes * MB))
        for daemon in site.daemons:
            if daemon.process.poll() is None:
                daemon.kill()


def status(site: Site) -> dict[str, Any]:
    """Return what `jqctl status --json` says of the one daemon."""
    [daemon] = site.jqctl("status")[1]["daemons"]
    return dict(daemon)


def state_becomes(site: Site, state: str) -> dict[str, Any]:
    """Wait until `jqctl status` says so."""

    def seen() -> dict[str, Any]:
        found = status(site)
        assert found["state"] == state, found
        return found

    return eventually(seen, what=f"the daemon's state is {state}")


def never_two_at_once(daemon: Daemon) -> bool:
    """Whether each worker was started only after the one before it was gone."""
    changes = {"worker.started": 1, "worker.gone": -1, "worker.died": -1}
    steps = [changes[line["event"]] for line in daemon.lines() if line["event"] in changes]
    return all(one != other for one, other in pairwise([-1, *steps]))


@contextmanager
def hog(cgroup: Cgroup, megabytes: int) -> Iterator[None]:
    """Have another process take so much of a cgroup, for as long as the block lasts."""
    script = f"kept = bytearray(b'x') * ({megabytes} * {MB}); print('full', flush=True); input()"
    command = [*cgroup.entering(), sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == b"full\n"
            yield
        finally:
            process.kill()


# The cgroup decides


def test_fault_29_a_cgroup_limit_below_the_hosts_memory_decides(site: Site, cgroup: MakeCgroup) -> None:
    """A reserve of 280 MB is nothing to the host, and too much for a group of 300."""
    group = cgroup(300)
    daemon = site.start_daemon(*APP, "--memory-reserve", "280MB", before=group.entering())
    daemon.wait_for_event("memory.short")
    job = site.send("quick")
    found = state_becomes(site, "waiting_memory")
    assert str(group.path) in found["note"]
    assert "280 MB is kept in reserve" in found["note"]
    assert daemon.events("memory.short")[0]["limited_by"] == str(group.path)
    assert job.state() is State.READY
    group.set_limit(900 * MB)
    site.wait_for(job, State.KEPT)
    assert state_becomes(site, "running")["note"] == ""


def test_fault_29_the_same_reserve_outside_of_the_cgroup_is_no_reason_to_wait(site: Site) -> None:
    daemon = site.start_daemon(*APP, "--memory-reserve", "280MB")
    site.wait_for(site.send("quick"), State.KEPT)
    assert not daemon.events("memory.short")


# Low, and the worker grew


def test_fault_28_memory_low_and_the_worker_grew_so_it_is_replaced_before_the_next_job(
    site: Site, cgroup: MakeCgroup
) -> None:
    group = cgroup(400)
    daemon = site.start_daemon(*APP, "--memory-reserve", "150MB", before=group.entering())
    jobs = site.send_many([("leak", 40)] * 15)
    infos = [site.wait_for(job, State.KEPT, 120) for job in jobs]
    assert {(info.executions, info.attempt - 1, info.crashes, info.interrupts, info.failures) for info in infos} <= {
        (1, released, 0, 0, 0) for released in range(3)
    }, "nothing was charged; a job may have gone back unstarted"
    assert len(site.notes("start")) == len(site.notes("end")) == len(jobs)
    recycled = daemon.events("worker.recycle")
    assert recycled
    assert {line["reason"] for line in recycled} == {"memory"}
    workers = {info.result for info in infos}
    assert len(workers) >= 3
    assert len(daemon.events("worker.started")) - len(workers) in (0, 1), "the last one may have found nothing to do"
    assert never_two_at_once(daemon)
    assert not daemon.events("worker.died")
    assert group.oom_kills() == 0


def test_fault_28_a_job_that_runs_when_memory_gets_low_is_left_alone(site: Site, cgroup: MakeCgroup) -> None:
    group = cgroup(600)
    daemon = site.start_daemon(*APP, "--memory-reserve", "200MB", before=group.entering())
    leak, hold = site.send_many([("leak", 200), ("hold", str(site.gate()))])
    site.wait_for(leak, State.KEPT)
    worker = site.wait_for_start(hold).pid
    with hog(group, 250):
        assert daemon.wait_for_event("worker.recycle")["pid"] == worker
        recycled_ms = monotonic_ms()
        # A few samples, told by the clock: that nothing happens in them is what is shown.
        eventually(lambda: monotonic_ms() - recycled_ms > 2000, what="two seconds passed")
        assert daemon.workers() == [worker]
        assert hold.state() is State.ACTIVE
        site.gate().touch()
        info = site.wait_for(hold, State.KEPT)
        assert (info.result, info.executions, info.attempt, info.interrupts) == (worker, 1, 1, 0)
    assert site.wait_for(site.send("quick"), State.KEPT).result != worker


# Low, and the worker did not grow


def test_fault_28_memory_low_and_the_worker_did_not_grow_so_it_waits_says_so_and_restarts_nothing(
    site: Site, cgroup: MakeCgroup
) -> None:
    group = cgroup(600)
    daemon = site.start_daemon(
        *APP, "--memory-reserve", "250MB", "--lease", "1", "--poll", "60", before=group.entering()
    )
    [worker] = daemon.workers()
    running = site.send("hold", str(site.gate()))
    site.wait_for_start(running)
    with hog(group, 400):
        found = state_becomes(site, "waiting_memory")
        assert "waiting for memory" in found["note"]
        site.gate().touch()
        assert site.wait_for(running, State.KEPT).result == worker, "what ran goes on to its end"
        waiting = site.send("quick")
        began_ms = monotonic_ms()
        eventually(lambda: monotonic_ms() - began_ms > 3000, what="three leases passed")
        assert waiting.state() is State.READY
        assert site.status().workers == 1, "it has its lease"
        assert daemon.workers() == [worker]
        assert len(daemon.events("memory.short")) == 1
        assert not daemon.events("memory.enough")
    left_ms = monotonic_ms()
    assert site.wait_for(waiting, State.KEPT).result == worker
    assert monotonic_ms() - left_ms < 30_000, "it was told, it did not poll"
    assert len(daemon.events("worker.started")) == 1
    assert not daemon.events("worker.recycle")
    assert group.oom_kills() == 0


# Too late


def test_fault_05_a_worker_that_is_killed_for_want_of_memory_takes_nobody_along(site: Site, cgroup: MakeCgroup) -> None:
    group = cgroup(300)
    daemon = site.start_daemon(*APP, "--processes", "2", before=group.entering())
    job = site.send("gulp", 500)
    info = site.wait_for(job, State.DEAD)
    assert (info.crashes, info.failures, info.executions, info.reason) == (1, 0, 1, "crashed")
    [attempt] = info.history
    assert attempt.error == "its worker was killed by SIGKILL, probably out of memory"
    assert group.oom_kills() == 1
    daemon.wait_for_event("worker.ready", 3)
    assert daemon.process.poll() is None
    # Gone: on a slow machine the daemon saw it coming, and was about to replace the worker.
    [died] = daemon.events("worker.died") + daemon.events("worker.gone")
    assert (died["pid"], died["code"]) == (site.notes("start", job)[0].pid, -9)
    assert {site.wait_for(each, State.KEPT).executions for each in site.send_many([("quick",)] * 20)} == {1}


def test_workers_are_killed_for_want_of_memory_before_their_daemon(site: Site) -> None:
    daemon = site.start_daemon(*APP)
    [worker] = daemon.workers()

    def score(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    assert score(worker) == min(1000, score(daemon.pid) + 200)


# Jobs that say what they need


def test_a_job_that_never_fits_is_dead_with_that_reason(site: Site) -> None:
    site.start_daemon(*APP)
    info = site.wait_for(site.send("enormous"), State.DEAD)
    assert (info.reason, info.executions, info.failures, info.crashes) == ("oversized", 0, 0, 0)
    assert (info.error or "").startswith("MemoryError: the job needs 100.0 TB of memory, and at most ")
    assert [attempt.reason for attempt in info.history] == ["oversized"]
    assert not site.notes("start")


def test_two_workers_are_not_promised_the_same_bytes_and_who_does_not_fit_now_runs_later(
    site: Site, cgroup: MakeCgroup
) -> None:
    group = cgroup(700)
    site.start_daemon(*APP, "--processes", "2", "--memory-reserve", "150MB", before=group.entering())
    jobs = site.send_many([("large", str(site.gate()))] * 2)
    eventually(lambda: site.notes("start"), what="one of them runs")
    [first] = site.notes("start")
    [second] = [job for job in jobs if job.id != first.id]
    eventually(lambda: second.info().attempt >= 2, what="it was put off twice")
    assert len(site.notes("start")) == 1
    for each in site.send_many([("quick",)] * 5):
        site.wait_for(each, State.KEPT)
    site.gate().touch()
    infos = [site.wait_for(job, State.KEPT) for job in jobs]
    assert {(info.executions, info.failures, info.interrupts, info.crashes) for info in infos} == {(1, 0, 0, 0)}
    assert {len(info.history) for info in infos} == {0}


# --max-rss, and what is given back without a restart


def test_a_worker_above_max_rss_is_replaced_between_two_jobs(site: Site) -> None:
    daemon = site.start_daemon(*APP, "--max-rss", "150MB", "--prefetch-ms", "0")
    infos = [site.wait_for(job, State.KEPT, 60) for job in site.send_many([("leak", 40)] * 10)]
    assert {(info.executions, info.crashes, info.interrupts) for info in infos} == {(1, 0, 0)}
    per_worker = Counter(info.result for info in infos)
    assert max(per_worker.values()) <= 4, "40 MB each, so the fourth one at the latest was above"
    assert min(list(per_worker.values())[:-1]) >= 2, "and nobody was replaced below it"
    assert {line["reason"] for line in daemon.events("worker.recycle")} == {"memory"}
    assert never_two_at_once(daemon)
    assert not daemon.events("memory.short")


def test_after_a_large_job_free_memory_is_given_back_without_a_restart(site: Site) -> None:
    daemon = site.start_daemon(*APP)
    [worker] = daemon.workers()
    after_job = site.wait_for(site.send("litter", 200), State.KEPT).result
    assert isinstance(after_job, int)
    assert after_job > 150 * MB, "the allocator kept it; else there is nothing to give back"
    eventually(lambda: psutil.Process(worker).memory_info().rss < 100 * MB, what="it is given back")
    assert site.wait_for(site.send("quick"), State.KEPT).result == worker
