"""Real workers of a real daemon: what is run, in which order, and what jobs may do to them."""

from __future__ import annotations

import signal

import pytest

from e2e.daemon import Daemon, Site
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import State
from jqjobs.store.calls import upkeep
from jqjobs.store.reads.error_groups import error_groups
from waiting import eventually

pytestmark = pytest.mark.xdist_group("worker")


@pytest.fixture(scope="module")
def daemon(module_site: Site) -> Daemon:
    """One for all tests that neither end it nor kill its worker."""
    return module_site.start_daemon("--kill-after", "20")


def test_a_job_runs_and_its_result_is_kept(shared_site: Site, daemon: Daemon) -> None:
    job = shared_site.send("quick")
    info = shared_site.wait_for(job, State.KEPT)
    assert info.result == daemon.workers()[0]
    assert (info.executions, info.failures, info.crashes, info.interrupts) == (1, 0, 0, 0)
    assert [(note.event, note.id) for note in shared_site.notes()] == [("start", job.id)]


def test_urgent_jobs_run_first_then_the_older_ones(site: Site) -> None:
    first, second = site.send("quick"), site.send("quick")
    urgent, leisurely = site.send("quick", priority=5), site.send("quick", priority=-5)
    site.start_daemon()
    for job in (first, second, urgent, leisurely):
        site.wait_for(job, State.KEPT)
    assert [note.id for note in site.notes("start")] == [urgent.id, first.id, second.id, leisurely.id]


def test_queues_are_served_in_the_order_given(site: Site) -> None:
    last = site.send("quick", queue="b", priority=100)
    first = site.send("quick", queue="a")
    site.start_daemon("--queues", "a,b")
    site.wait_for(last, State.KEPT)
    assert [note.id for note in site.notes("start")] == [first.id, last.id]


def test_queues_with_weights_share_the_workers(site: Site) -> None:
    jobs = {queue: site.send_many([("quick",)] * 1000, queue=queue) for queue in "ab"}
    site.start_daemon("--queues", "a:3,b:1", "--processes", "2")
    for sent in jobs.values():
        site.wait_for(sent[-1], State.KEPT, 60)
    begun = [note.queue for note in site.notes("start")][:1000]
    assert 650 <= begun.count("a") <= 850


def test_a_delayed_job_runs_soon_after_its_time(site: Site) -> None:
    site.start_daemon("--poll", "30")
    sent_ms = monotonic_ms()
    job = site.send("quick", delay=0.6)
    assert job.state() is State.SCHEDULED
    waited_ms = site.wait_for_start(job).at_ms - sent_ms
    assert 500 <= waited_ms < 10_000, "Redis counts by another clock, which may be put right meanwhile"


def test_a_paused_queue_starts_nothing_until_it_is_resumed(site: Site) -> None:
    site.start_daemon("--poll", "30")
    site.client.run(upkeep.pause("default"))
    job = site.send("quick")
    marker = site.send("nap", 0, delay=0.5)
    eventually(lambda: marker.state() is State.READY, what="a worker made a trip to the paused queue")
    assert job.state() is State.READY
    site.client.run(upkeep.resume("default"))
    site.wait_for(job, State.KEPT)


def test_a_pause_with_an_end_holds_through_a_restart_and_ends_by_itself(site: Site) -> None:
    daemon = site.start_daemon()
    paused_ms = monotonic_ms()
    site.client.run(upkeep.pause("default", "+5000", "ann", "lunch"))
    job = site.send("quick")
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    site.start_daemon()
    assert site.wait_for_start(job, timeout_s=60).at_ms > paused_ms + 4000, "Redis counts by another clock"
    site.wait_for(job, State.KEPT)
    assert site.status().paused_ms is None


def test_an_unknown_job_waits_parked_until_a_daemon_offers_its_name(site: Site) -> None:
    site.start_daemon()
    job = site.send("not_yet_written")
    site.wait_for(job, State.PARKED)
    assert site.status().parked == 1
    text = "from jqjobs import App\napp = App()\n@app.job\ndef not_yet_written():\n    return 'written'\n"
    site.start_daemon("--app", site.write_app("newer", text))
    info = site.wait_for(job, State.KEPT)
    assert (info.result, info.failures, info.executions) == ("written", 0, 1)


def test_quick_jobs_behind_a_long_one_are_given_to_the_other_worker(site: Site) -> None:
    site.start_daemon("--processes", "2", "--poll", "30")
    for job in site.send_many([("quick",)] * 100):  # so that batches have grown
        site.wait_for(job, State.KEPT)
    long, *others = site.send_many([("hold", str(site.gate())), *[("quick",)] * 15])
    began_ms = site.wait_for_start(long).at_ms
    for job in others:
        site.wait_for(job, State.KEPT)
    assert max(site.wait_for_start(job).at_ms for job in others) - began_ms < 10_000, "far from a poll"
    assert all(len(site.notes("start", job)) == 1 for job in others)
    site.gate().touch()
    site.wait_for(long, State.KEPT)


def test_fault_04_a_job_that_asks_to_exit_has_failed_and_its_worker_lives(shared_site: Site, daemon: Daemon) -> None:
    workers = daemon.workers()
    asked = {"sys_exit": "SystemExit: 3", "keyboard_interrupt": "KeyboardInterrupt", "sys_exit_async": "SystemExit: 3"}
    for name, error in asked.items():
        info = shared_site.wait_for(shared_site.send(name), State.DEAD)
        assert (info.error, info.failures, info.crashes, info.reason) == (error, 1, 0, "failed")
    shared_site.wait_for(shared_site.send("quick"), State.KEPT)
    assert daemon.workers() == workers


def test_fault_04_a_job_that_takes_its_process_down_is_a_crash_and_never_a_success(site: Site) -> None:
    site.start_daemon()
    jobs = ("exit_at_once", 0), ("segfault",), ("die_by_signal", int(signal.SIGABRT))
    causes = ("exited with code 0", "killed by SIGSEGV", "killed by SIGABRT")
    for job, cause in zip(site.send_many(jobs, max_crashes=2), causes, strict=True):
        info = site.wait_for(job, State.DEAD)
        assert (info.crashes, info.failures, info.executions, info.reason) == (2, 0, 2, "crashed")
        assert [attempt.reason for attempt in info.history] == ["crashed", "crashed"]
        assert cause in (info.error or "")


def test_dead_jobs_are_counted_by_what_they_died_of(site: Site) -> None:
    site.start_daemon()
    for job in site.send_many([("sys_exit",), ("sys_exit",)]):
        site.wait_for(job, State.DEAD)
    info = site.wait_for(site.send("exit_at_once", 0, max_crashes=1), State.DEAD)
    with site.client.store() as store:
        exits, crash = error_groups(store, ["default"])
    assert (exits.name, exits.error, exits.dead, len(exits.fingerprint)) == ("sys_exit", "SystemExit: 3", 2, 12)
    assert crash[:5] == ("crashed:exit_at_once", "default", "exit_at_once", info.error, 1)


def test_fault_06_a_soft_time_limit_ends_a_sync_and_an_async_job(shared_site: Site, daemon: Daemon) -> None:
    workers = daemon.workers()
    for name in ("nap", "nap_async"):
        info = shared_site.wait_for(shared_site.send(name, 60, timeout=0.3, max_attempts=1), State.DEAD)
        assert (info.reason, info.failures, info.history[0].reason) == ("hung", 1, "hung")
        assert "JobTimeout" in (info.error or "")
        assert "jobs.py" in (info.history[0].traceback or "")
    assert not shared_site.notes("end")
    assert daemon.workers() == workers


def test_fault_06_an_endless_python_loop_is_ended_by_the_soft_limit(shared_site: Site, daemon: Daemon) -> None:
    workers = daemon.workers()
    assert shared_site.wait_for(shared_site.send("spin", timeout=0.3), State.DEAD).reason == "hung"
    assert daemon.workers() == workers


def test_fault_06_a_job_that_no_exception_reaches_is_killed_at_the_hard_limit(site: Site) -> None:
    daemon = site.start_daemon("--kill-after", "0.5")
    [worker] = daemon.workers()
    swallows_it, holds_the_gil = ("swallow", 60), ("catastrophic_regex",)
    for job in site.send_many([swallows_it, holds_the_gil], timeout=0.5, max_attempts=1):
        info = site.wait_for(job, State.DEAD)
        assert (info.reason, info.failures, info.crashes, info.history[0].reason) == ("hung", 1, 0, "hung")
        assert "time limit of 0.5 s" in (info.error or "")
    assert worker not in daemon.workers()
    site.wait_for(site.send("quick"), State.KEPT)


@pytest.mark.parametrize("concurrency", ["1", "2"])
def test_successes_are_logged_where_that_is_asked_for(site: Site, concurrency: str) -> None:
    daemon = site.start_daemon("--log-jobs", "all", "--concurrency", concurrency)
    job = site.send("quick")
    line = daemon.wait_for_event("job.done")
    assert (line["job"], line["name"], line["attempt"], line["level"]) == (job.ref, "quick", 1, "info")


def test_from_the_wake_up_to_the_first_line_of_a_job_few_functions_are_called(site: Site) -> None:
    """Each is called after a pause, with cold caches, and somebody waits. Look at what is new before raising this."""
    site.start_daemon("--processes", "1", "--watch", "off")
    found: list[list[str]] = []
    for _ in range(6):
        eventually(lambda: b"cmd=bzpopmin" in site.server.call("CLIENT", "LIST"), what="the worker is idle")
        found.append(site.wait_for(site.send("calls_since_wake"), State.KEPT).result)
    # A job that came as the wait was just over was found by a look, not by a token.
    woken = [calls for calls in found if calls and calls[0] == "TokenLine.read"]
    least = min(woken, key=len)
    assert len(least) <= 100, least


def test_the_garbage_collector_passes_over_what_was_loaded_before_the_first_job(site: Site) -> None:
    site.start_daemon("--processes", "1")
    looked_at, passed_over = site.wait_for(site.send("count_looked_at"), State.KEPT).result
    assert looked_at * 5 < passed_over
