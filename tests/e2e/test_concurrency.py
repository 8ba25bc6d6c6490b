"""`--concurrency N`: one worker runs N jobs at once, plain ones and ``async def`` ones, and each has one outcome."""

from __future__ import annotations

import os
import signal

import pytest

from e2e.concurrent_daemon import HOLDS, holding, start, started, wait_for_starts
from e2e.daemon import Daemon, Site
from jqjobs.jobs.records import State
from jqjobs.store.address import parse_url
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.store import Store
from waiting import eventually

#: Jobs that never end by themselves.
SPINS = ("spin", "spin_async")
pytestmark = pytest.mark.xdist_group("concurrency")


@pytest.fixture(scope="module")
def daemon(module_site: Site) -> Daemon:
    """One with a worker of eight slots, for all tests that neither end it nor kill its worker."""
    return start(module_site, 8)


def test_so_many_jobs_run_at_once_and_not_one_more(shared_site: Site, daemon: Daemon) -> None:
    for names in (["hold"] * 8, ["hold_async"] * 8, ["hold", "hold_async"] * 4):
        running = holding(shared_site, *names)
        more = shared_site.send_many([(names[0], str(shared_site.gate())), ("quick",)])
        ids = {job.id for job in running}
        eventually(lambda ids=ids: shown_jobs(shared_site) == ids, what="status shows each running job")  # type: ignore[misc]
        assert not started(shared_site, more), "all slots are taken"
        shared_site.gate().touch()
        for job in (*running, *more):
            assert shared_site.wait_for(job, State.KEPT).executions == 1
        shared_site.gate().unlink()
    assert len(daemon.workers()) == 1


def shown_jobs(site: Site) -> set[str]:
    """Return the ids of the jobs that `jqctl status` shows as running."""
    store = Store(parse_url(site.server.url))
    try:
        registry = read_registry(store)
    finally:
        store.close()
    return {job.id for daemon in registry.daemons for worker in daemon.workers for job in worker.jobs}


@pytest.mark.usefixtures("daemon")
def test_many_short_jobs_of_both_kinds_are_each_run_once(shared_site: Site) -> None:
    jobs = shared_site.send_many([("quick",), ("decorated", 1)] * 150)
    for job in jobs:
        assert shared_site.wait_for(job, State.KEPT).executions == 1
    assert len(shared_site.notes("start")) == 150


# Ends


def test_a_time_limit_ends_that_job_and_no_neighbour(shared_site: Site, daemon: Daemon) -> None:
    neighbours = holding(shared_site, *HOLDS)
    for name in SPINS:
        dead = shared_site.wait_for(shared_site.send(name, timeout=0.3), State.DEAD)
        assert [(each.reason, "300 ms" in (each.error or "")) for each in dead.history] == [("hung", True)]
    shared_site.gate().touch()
    for job in neighbours:
        assert shared_site.wait_for(job, State.KEPT).executions == 1
    assert not daemon.events("job.killed")
    assert not daemon.events("worker.recycle")


def test_a_cancel_ends_that_job_and_no_neighbour(shared_site: Site, daemon: Daemon) -> None:
    neighbours = holding(shared_site, *HOLDS)
    for name in SPINS:
        other, job = shared_site.send_many([(name,), (name,)])
        wait_for_starts(shared_site, [other, job])
        assert job.cancel() == "cancelling"
        assert shared_site.wait_for(job, State.DEAD).reason == "cancelled"
        assert other.state() is State.ACTIVE
        other.cancel()
        shared_site.wait_for(other, State.DEAD)
    shared_site.gate().touch()
    for job in neighbours:
        assert shared_site.wait_for(job, State.KEPT).executions == 1
    assert not daemon.events("job.killed")


def test_what_would_leave_ends_nothing_but_itself(shared_site: Site, daemon: Daemon) -> None:
    """A job, a child that it has forked, a task of it."""
    neighbours = holding(shared_site, *HOLDS)
    for how, said in (("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt")):
        for job in shared_site.send_many([("leave", how), ("leave_async", how)]):
            assert (shared_site.wait_for(job, State.DEAD).error or "").startswith(said)
    assert shared_site.wait_for(shared_site.send("fork"), State.KEPT).result == 1, (
        "the child ended as a job that has failed"
    )
    assert shared_site.wait_for(shared_site.send("leave_in_task"), State.KEPT).result == "SystemExit"
    shared_site.gate().touch()
    for job in neighbours:
        assert shared_site.wait_for(job, State.KEPT).executions == 1
    assert not daemon.events("worker.died")


def test_quit_interrupts_all_that_runs_and_it_goes_back(site: Site) -> None:
    daemon = start(site, 4)
    jobs = [*site.send_many([("spin",), ("spin_async",)]), *site.send_many([("hold", "-"), ("hold_async", "-")])]
    wait_for_starts(site, jobs)
    daemon.send(signal.SIGQUIT)
    assert daemon.wait() == 0
    assert {(job.state(), job.info().interrupts, job.info().crashes) for job in jobs} == {(State.READY, 1, 0)}
    assert {job.info().history[0].error for job in jobs} == {"JobInterrupted: the worker must stop now"}


def test_term_lets_all_that_runs_finish_and_gives_back_the_rest(site: Site) -> None:
    daemon = start(site, 4)
    running = holding(site, *HOLDS * 2)
    waiting = site.send_many([("quick",)] * 3)
    daemon.send(signal.SIGTERM)
    daemon.wait_for_event("signal")
    eventually(lambda: site.status().active == 4, what="nothing but what runs is held")
    site.gate().touch()
    assert daemon.wait() == 0
    assert {job.info().executions for job in running if job.state() is State.KEPT} == {1}
    assert [job.state() for job in running] == [State.KEPT] * 4
    assert {job.state() for job in waiting} == {State.READY}
    assert not started(site, waiting)


def test_what_ended_while_others_run_on_is_reported_during_a_drain_too(site: Site) -> None:
    daemon = start(site, 2)
    first = site.send("hold", str(site.gate("first")))
    second = site.send("hold_async", str(site.gate("second")))
    wait_for_starts(site, [first, second])
    daemon.send(signal.SIGTERM)
    daemon.wait_for_event("signal")
    site.gate("first").touch()
    site.wait_for(first, State.KEPT)
    assert second.state() is State.ACTIVE
    site.gate("second").touch()
    assert daemon.wait() == 0
    assert second.state() is State.KEPT


def test_a_thread_that_hangs_costs_its_worker_once_its_neighbours_are_done(site: Site) -> None:
    daemon = start(site, 3, "--kill-after", "6")
    hanging = site.send("swallow", 600, timeout=0.3, max_attempts=1)
    neighbours = holding(site, *HOLDS)
    recycled = daemon.wait_for_event("worker.recycle")
    assert recycled["reason"] == "hung"
    quick = site.send("quick")
    site.gate().touch()  # so that they end while the other still hangs; a new worker may take longer than that
    for job in neighbours:
        assert site.wait_for(job, State.KEPT).executions == 1
    assert site.wait_for(quick, State.KEPT).result != recycled["pid"], "who hangs takes nothing more"
    dead = site.wait_for(hanging, State.DEAD)
    assert [each.reason for each in dead.history] == ["hung"]
    assert "swallow" in (dead.history[0].traceback or ""), "its stack is kept"
    assert len(daemon.events("worker.recycle")) == 1


def test_a_killed_worker_runs_all_it_had_again(site: Site) -> None:
    daemon = start(site, 4)
    jobs = holding(site, *["hold"] * 4)
    os.kill(daemon.workers()[0], signal.SIGKILL)
    daemon.wait_for_event("worker.died")
    site.gate().touch()
    for job in jobs:
        assert site.wait_for(job, State.KEPT).executions <= 2


def test_who_blocks_the_event_loop_is_told(shared_site: Site, daemon: Daemon) -> None:
    blocking = shared_site.send("block_loop", 4)
    shared_site.wait_for_start(blocking)
    assert daemon.wait_for_event("loop.blocked")["job"] == blocking.ref
    shared_site.wait_for(blocking, State.KEPT)
