"""`--concurrency N`: one worker runs N jobs at once, plain ones and ``async def`` ones, and each has one outcome."""

from __future__ import annotations

import os
import signal

import pytest

from e2e.daemon import Daemon, Site
from jqjobs.client import JobHandle
from jqjobs.job import State
from jqjobs.store.address import parse_url
from jqjobs.store.registry import read_registry
from jqjobs.store.store import Store
from waiting import eventually

#: The twins: what holds for one kind of job holds for the other.
HOLDS = ["hold", "hold_async"]


def start(site: Site, count: int, *flags: str) -> Daemon:
    return site.start_daemon("--app", "concurrent_jobs:app", "--concurrency", str(count), *flags)


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


@pytest.mark.parametrize("names", [["hold"] * 4, ["hold_async"] * 4, ["hold", "hold_async"] * 2], ids=str)
def test_so_many_jobs_run_at_once_and_not_one_more(site: Site, names: list[str]) -> None:
    daemon = start(site, 4)
    running = holding(site, *names)
    more = site.send_many([(names[0], str(site.gate())), ("quick",)])
    eventually(lambda: shown_jobs(site) == {job.id for job in running}, 10, "status shows each running job")
    assert not started(site, more), "all slots are taken"
    site.gate().touch()
    for job in (*running, *more):
        assert site.wait_for(job, State.KEPT).executions == 1
    assert len(daemon.workers()) == 1


def shown_jobs(site: Site) -> set[str]:
    """Return the ids of the jobs that `jqctl status` shows as running."""
    store = Store(parse_url(site.server.url))
    try:
        registry = read_registry(store)
    finally:
        store.close()
    return {job.id for daemon in registry.daemons for worker in daemon.workers for job in worker.jobs}


def test_many_short_jobs_of_both_kinds_are_each_run_once(site: Site) -> None:
    start(site, 10)
    jobs = site.send_many([("quick",), ("decorated", 1)] * 150)
    for job in jobs:
        assert site.wait_for(job, State.KEPT, 40).executions == 1
    assert len(site.notes("start")) == 150


# Ends


@pytest.mark.parametrize("name", ["spin", "spin_async"])
def test_a_time_limit_ends_that_job_and_no_neighbour(site: Site, name: str) -> None:
    daemon = start(site, 4)
    neighbours = holding(site, *HOLDS)
    late = site.send(name, timeout=0.3)
    dead = site.wait_for(late, State.DEAD)
    assert [(each.reason, "300 ms" in (each.error or "")) for each in dead.history] == [("hung", True)]
    site.gate().touch()
    for job in neighbours:
        assert site.wait_for(job, State.KEPT).executions == 1
    assert not daemon.events("job.killed")
    assert not daemon.events("worker.recycle")


@pytest.mark.parametrize("name", ["spin", "spin_async"])
def test_a_cancel_ends_that_job_and_no_neighbour(site: Site, name: str) -> None:
    daemon = start(site, 4)
    neighbours = holding(site, *HOLDS)
    other, job = site.send_many([(name,), (name,)])
    wait_for_starts(site, [other, job])
    assert job.cancel() == "cancelling"
    assert site.wait_for(job, State.DEAD).reason == "cancelled"
    assert other.state() is State.ACTIVE
    other.cancel()
    site.wait_for(other, State.DEAD)
    site.gate().touch()
    for job in neighbours:
        assert site.wait_for(job, State.KEPT).executions == 1
    assert not daemon.events("job.killed")


@pytest.mark.parametrize("how", ["exit", "interrupt"])
@pytest.mark.parametrize("name", ["leave", "leave_async"])
def test_a_job_that_would_leave_ends_nothing_but_itself(site: Site, name: str, how: str) -> None:
    daemon = start(site, 4)
    neighbours = holding(site, *HOLDS)
    error = site.wait_for(site.send(name, how), State.DEAD).error or ""
    assert error.startswith("SystemExit" if how == "exit" else "KeyboardInterrupt")
    site.gate().touch()
    for job in neighbours:
        assert site.wait_for(job, State.KEPT).executions == 1
    assert not daemon.events("worker.died")


def test_a_fork_and_a_task_that_exits_end_no_neighbour(site: Site) -> None:
    daemon = start(site, 4)
    neighbours = holding(site, *HOLDS)
    assert site.wait_for(site.send("fork"), State.KEPT).result == 1, "the child ended as a job that has failed"
    assert site.wait_for(site.send("leave_in_task"), State.KEPT).result == "SystemExit"
    site.gate().touch()
    for job in neighbours:
        assert site.wait_for(job, State.KEPT).executions == 1
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
    eventually(lambda: site.status().active == 4, 10, "nothing but what runs is held")
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
    daemon = start(site, 3, "--kill-after", "4")
    hanging = site.send("swallow", 600, timeout=0.3, max_attempts=1)
    neighbours = holding(site, *HOLDS)
    recycled = daemon.wait_for_event("worker.recycle")
    assert recycled["reason"] == "hung"
    daemon.wait_for_event("worker.ready", 2)
    quick = site.send("quick")
    site.wait_for(quick, State.KEPT)
    site.gate().touch()
    for job in neighbours:
        assert site.wait_for(job, State.KEPT).executions == 1
    dead = site.wait_for(hanging, State.DEAD)
    assert [each.reason for each in dead.history] == ["hung"]
    assert "swallow" in (dead.history[0].traceback or ""), "its stack is kept"
    assert quick.info().result != recycled["pid"], "who hangs takes nothing more"
    assert len(daemon.events("worker.recycle")) == 1


def test_a_killed_worker_runs_all_it_had_again(site: Site) -> None:
    daemon = start(site, 4)
    jobs = holding(site, *["hold"] * 4)
    os.kill(daemon.workers()[0], signal.SIGKILL)
    daemon.wait_for_event("worker.died")
    site.gate().touch()
    for job in jobs:
        assert site.wait_for(job, State.KEPT, 40).executions <= 2


def test_who_blocks_the_event_loop_is_told(site: Site) -> None:
    daemon = start(site, 4)
    blocking = site.send("block_loop", 4)
    site.wait_for_start(blocking)
    assert daemon.wait_for_event("loop.blocked")["job"] == blocking.ref
    site.wait_for(blocking, State.KEPT)


# Limits, memory, hooks, what jobs say


def most_at_once(site: Site) -> int:
    """Return how many jobs ran at the same time at most, by their own notes."""
    running = most = 0
    for note in site.notes():
        running += {"start": 1, "end": -1}[note.event]
        most = max(most, running)
    return most


@pytest.mark.parametrize("names", [["guarded"], ["guarded_async"], ["guarded", "guarded_async"]], ids=str)
def test_a_concurrency_limit_holds_for_the_slots_of_a_worker(site: Site, names: list[str]) -> None:
    start(site, 8)
    jobs = site.send_many([(names[n % len(names)], 0.1) for n in range(12)])
    for job in jobs:
        assert site.wait_for(job, State.KEPT, 60).executions == 1
    assert most_at_once(site) <= 3 * len(names)


def test_limited_jobs_run_side_by_side_as_far_as_the_limit_goes(site: Site) -> None:
    start(site, 8)
    beside = holding(site, *HOLDS)
    limited = site.send_many([("guarded_hold", str(site.gate()))] * 5)
    eventually(lambda: len(started(site, limited)) == 3, 20, "three run beside the others")
    eventually(lambda: site.status().held == 2, 20, "the rest waits for a place")
    assert len(started(site, limited)) == 3
    site.gate().touch()
    for job in (*beside, *limited):
        assert site.wait_for(job, State.KEPT).executions == 1


def test_a_rate_limit_holds_for_the_slots_of_a_worker(site: Site) -> None:
    start(site, 8)
    jobs = site.send_many([("paced",)] * 25)
    for job in jobs:
        site.wait_for(job, State.KEPT, 60)
    starts = sorted(job.info().started_ms or 0 for job in jobs)
    assert [late - early for early, late in zip(starts, starts[10:], strict=False) if late - early <= 1000] == []


def test_jobs_that_need_memory_ask_for_it_while_others_run(site: Site) -> None:
    start(site, 4)
    running = holding(site, "large", *HOLDS)
    never = site.send("enormous")
    assert site.wait_for(never, State.DEAD).reason == "oversized"
    assert site.wait_for(site.send("quick"), State.KEPT).executions == 1
    site.gate().touch()
    for job in running:
        assert site.wait_for(job, State.KEPT).executions == 1
    assert not started(site, [never])


@pytest.mark.parametrize("name", ["with_hook", "with_hook_async"])
def test_hooks_are_called_while_other_jobs_run(site: Site, name: str) -> None:
    start(site, 4)
    running = holding(site, *HOLDS)
    jobs = site.send_many([(name, 0.01)] * 20)
    for job in jobs:
        eventually((site.directory / f"told-{job.id}").exists, 20, f"the hook of {job.id}")
    if name == "with_hook_async":
        assert all((site.directory / f"begun-{job.id}").exists() for job in jobs)
    site.gate().touch()
    for job in (*running, *jobs):
        assert site.wait_for(job, State.KEPT).executions == 1


def test_each_job_speaks_for_itself(site: Site) -> None:
    daemon = start(site, 6)
    jobs = site.send_many([(name, str(site.gate())) for name in ("know_oneself", "know_oneself_async") * 3])
    wait_for_starts(site, jobs)
    site.gate().touch()
    for job in jobs:
        info = site.wait_for(job, State.KEPT)
        assert set(info.result) == {job.id}
        assert info.progress is not None
        assert (info.progress["percent"], info.progress["text"]) == (50, job.id)
        assert [line.text for line in info.log] == [f"I am {job.id}"]
    lines = [line for line in daemon.events("log") if line["logger"] == "app"]
    assert {(line["job"], line["message"]) for line in lines} == {(job.ref, f"here is {job.id}") for job in jobs}


def test_without_prefetch_a_worker_holds_no_more_than_its_slots_run(site: Site) -> None:
    start(site, 2, "--prefetch-ms", "0")
    for job in site.send_many([("quick",)] * 50):
        site.wait_for(job, State.KEPT)
    running = holding(site, *HOLDS)
    behind = site.send_many([("quick",)] * 5)
    eventually(lambda: site.status().ready == 5, 5, "they wait where others can take them")
    site.gate().touch()
    for job in (*running, *behind):
        assert site.wait_for(job, State.KEPT).executions == 1


def test_what_waits_behind_long_jobs_runs_elsewhere_meanwhile(site: Site) -> None:
    site.start_daemon("--app", "concurrent_jobs:app", "--concurrency", "2", "--processes", "2")
    for job in site.send_many([("quick",)] * 300):  # so that batches have grown
        site.wait_for(job, State.KEPT)
    long = site.send_many([(name, str(site.gate())) for name in (*HOLDS, "hold")])
    wait_for_starts(site, long)
    quick = site.send_many([("quick",)] * 20)
    for job in quick:
        assert site.wait_for(job, State.KEPT).executions == 1
    site.gate().touch()
    for job in long:
        assert site.wait_for(job, State.KEPT).executions == 1
