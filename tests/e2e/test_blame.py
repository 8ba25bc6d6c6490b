"""Who pays when a worker dies, and who waits: bystanders neither pay nor wait, and pills are found."""

from __future__ import annotations

import math
import os
import signal
from itertools import groupby

import pytest

from e2e.daemon import Daemon, Site
from jqjobs import JobHandle
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import State
from waiting import eventually

#: What is promised within 2 s may take so long here: tests allow for a machine that is slow or busy.
SOON_MS = 20_000
APP = ("--app", "blame_jobs:app")


def kill_worker(daemon: Daemon) -> int:
    """Kill the only worker; return when that was."""
    [worker] = daemon.workers()
    os.kill(worker, signal.SIGKILL)
    return monotonic_ms()


def wait_for_starts(site: Site, jobs: list[JobHandle], nth: int = 1) -> None:
    for job in jobs:
        site.wait_for_start(job, nth)


def starts(site: Site, jobs: list[JobHandle]) -> set[str]:
    return {note.id for note in site.notes("start")} & {job.id for job in jobs}


def test_healthy_jobs_run_at_once_behind_four_that_kill_their_worker(site: Site) -> None:
    killers = site.send_many([("die_by_signal", 9)] * 4, max_crashes=2)
    healthy = site.send_many([("quick",)] * 20)
    daemon = site.start_daemon()
    ready_ms = monotonic_ms()
    eventually(lambda: len(starts(site, healthy)) == 20, SOON_MS / 1000, "the healthy ones run")
    for job in healthy:
        assert site.wait_for(job, State.KEPT).crashes == 0
    for job in killers:
        info = site.wait_for(job, State.DEAD)
        first, second = site.notes("start", job)
        assert (info.crashes, info.reason) == (2, "crashed")
        assert second.at_ms - first.at_ms > 2500, "it waited for its back-off"
    assert max(note.at_ms for note in site.notes("start") if note.name == "quick") - ready_ms < SOON_MS
    daemon.wait_for_event("worker.died", 8)  # the last one is said once its job is dead
    assert len(daemon.events("worker.died")) == 8, "each died for one of them"


def test_a_worker_that_has_done_work_is_succeeded_at_once_however_often_it_is_killed(site: Site) -> None:
    daemon = site.start_daemon()
    for killed in range(1, 6):
        site.wait_for(site.send("quick"), State.KEPT)
        kill_worker(daemon)
        assert daemon.wait_for_event("worker.died", killed)["next_start_s"] == 0
        daemon.wait_for_event("worker.ready", killed + 1)


@pytest.mark.parametrize(("theirs", "ours"), [({"queue": "a"}, {"queue": "b"}), ({"priority": 1}, {})])
def test_suspects_block_nobody_and_nobody_blocks_them(site: Site, theirs: dict[str, str], ours: dict[str, str]) -> None:
    daemon = site.start_daemon(*APP, "--concurrency", "8", "--queues", "a,b,default")
    gate = str(site.gate())
    suspects = site.send_many([("hold", gate)] * 2, **ours)
    wait_for_starts(site, suspects)
    for second in range(150):
        site.send("nap_async", 2, delay=second, **theirs)
    eventually(lambda: any(note.name == "nap_async" for note in site.notes("start")), what="theirs trickle")
    kill_worker(daemon)
    site.gate().touch()
    behind = site.send_many([("quick",)] * 20, **ours)
    wait_for_starts(site, suspects, 2)
    wait_for_starts(site, behind)


def test_a_concurrent_worker_stays_concurrent_after_a_crash(site: Site) -> None:
    daemon = site.start_daemon(*APP, "--concurrency", "100")
    sleepers = site.send_many([("nap_async", 2)] * 40)
    wait_for_starts(site, sleepers)
    killed_ms = kill_worker(daemon)
    assert site.wait_for_start(site.send("quick")).at_ms - killed_ms < SOON_MS
    for job in sleepers:
        assert site.wait_for(job, State.KEPT).crashes == 0


def test_a_pill_is_found_by_halves_and_no_bystander_pays(site: Site) -> None:
    count = 100
    daemon = site.start_daemon(*APP, "--concurrency", str(count))
    many = [("bystander", 1)] * (count - 1)
    many.insert(count // 3, ("pill", str(site.gate())))
    jobs = site.send_many(many, max_crashes=1)
    pill = jobs.pop(count // 3)
    wait_for_starts(site, [pill, *jobs])
    site.gate().touch()
    assert site.wait_for(pill, State.DEAD, 60).crashes == 1
    for job in jobs:
        assert site.wait_for(job, State.KEPT).crashes == 0
    assert len(daemon.events("worker.died")) <= math.log2(count) + 3
    again = [note for note in site.notes() if note.name == "bystander" and note.attempt > 1]
    [_, at_once] = next(groupby(again, lambda note: note.event))
    assert len(list(at_once)) >= count // 2 - 1, "suspects run by halves, not one by one"


def test_the_only_suspect_is_not_charged_for_what_a_newcomer_did(site: Site) -> None:
    daemon = site.start_daemon(*APP, "--concurrency", "8")
    suspects = site.send_many([("bystander", 1, 2), ("bystander", 1)], max_crashes=1)
    wait_for_starts(site, suspects)
    kill_worker(daemon)
    site.wait_for_start(suspects[0], 2)
    site.gate().touch()
    newcomer = site.send("pill", str(site.gate()), max_crashes=1)
    assert site.wait_for(newcomer, State.DEAD).crashes == 1
    for job in suspects:
        assert site.wait_for(job, State.KEPT).crashes == 0


def test_beside_a_suspect_that_pays_next_its_worker_starts_nothing_where_another_one_goes_on(site: Site) -> None:
    gate = str(site.gate())
    last = site.send("hold", gate)
    make_last_suspect(site, last)
    site.start_daemon(*APP, "--processes", "2", "--concurrency", "8")
    alone = site.wait_for_start(last).pid
    others = site.send_many([("nap_async", 0.05)] * 100)
    wait_for_starts(site, others)
    assert {note.pid for note in site.notes("start") if note.name == "nap_async"}.isdisjoint({alone})
    site.gate().touch()
    site.wait_for(last, State.KEPT)
    eventually(lambda: runs_in(site, alone, site.send("quick")), what="that worker goes on")


def make_last_suspect(site: Site, job: JobHandle) -> None:
    """As a job is of which newcomers may have done what it is suspected of."""
    with site.client.store() as store:
        call = store.wire.call
        call("HSET", f"jq:{{default}}:job:{job.id}", "suspect", "0 1")
        call("ZADD", "jq:{default}:suspects", call("ZSCORE", "jq:{default}:ready", job.id), job.id)
        call("ZREM", "jq:{default}:ready", job.id)


def runs_in(site: Site, pid: int, job: JobHandle) -> bool:
    return site.wait_for_start(job).pid == pid


def test_a_pill_that_takes_its_daemon_along_is_found_and_no_bystander_pays(site: Site) -> None:
    flags = (*APP, "--processes", "4", "--lease", "60")
    pill, *bystanders = site.send_many([("pill", str(site.gate()), True), *[("bystander", 0.5)] * 3], max_crashes=1)
    daemons = [site.start_daemon(*flags)]
    eventually(lambda: len(starts(site, [pill, *bystanders])) == 4, what="one beside each worker")
    site.gate().touch()
    while pill.state() is not State.DEAD:
        if daemons[-1].process.poll() is not None:
            daemons.append(site.start_daemon(*flags, wait=False))
        assert len(daemons) <= math.log2(4) + 4
    for job in bystanders:
        assert site.wait_for(job, State.KEPT).crashes == 0
