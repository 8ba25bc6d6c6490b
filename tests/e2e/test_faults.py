"""Processes that die, hang or sleep at the worst moment: no job is lost, nobody is charged for another's fault."""

from __future__ import annotations

import os
import signal
from collections import Counter

from e2e.daemon import Site, is_running
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import State
from jqjobs.store.calls import upkeep
from waiting import eventually

#: The promises are 1 s and 2 s; so much more on a machine that is slow or busy. Who waits for a lease needs a minute.
SLACK_MS = 6000


def _grow_batches(site: Site) -> None:
    """Run quick jobs until workers take many at a time."""
    for job in site.send_many([("quick",)] * 100):
        site.wait_for(job, State.KEPT)


def test_fault_01_a_killed_workers_job_waits_some_seconds_and_is_charged_one_crash(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2", "--poll", "30")
    job = site.send("hold", str(site.gate("gate")))
    victim = site.wait_for_start(job).pid
    killed_ms = monotonic_ms()
    os.kill(victim, signal.SIGKILL)
    second = site.wait_for_start(job, 2)
    assert 2500 <= second.at_ms - killed_ms < 5000 + SLACK_MS
    assert second.pid != victim
    site.gate().touch()
    info = site.wait_for(job, State.KEPT)
    assert (info.crashes, info.failures, info.interrupts, info.executions) == (1, 0, 0, 2)
    assert [attempt.reason for attempt in info.history] == ["crashed"]
    assert "SIGKILL" in (info.history[0].error or "")
    eventually(lambda: len(daemon.workers()) == 2, what="the dead worker was replaced")


def test_fault_01_neighbours_in_the_batch_of_a_crash_are_charged_nothing(site: Site) -> None:
    site.start_daemon("--prefetch-ms", "10000")
    _grow_batches(site)
    killer, *neighbours = site.send_many([("die_by_signal", 9), *[("quick",)] * 10], max_crashes=1)
    assert site.wait_for(killer, State.DEAD).reason == "crashed"
    seen = [site.wait_for(job, State.KEPT) for job in neighbours]
    assert min(info.attempt for info in seen) >= 2, "they were in its batch; a slow worker gives some back again"
    assert {(info.crashes, info.failures, info.interrupts, info.executions) for info in seen} == {(0, 0, 0, 1)}
    assert [note.id for note in site.notes("start")[-10:]] == [job.id for job in neighbours], "in their old order"


def test_fault_11_a_poison_pill_is_dead_after_three_crashes_while_the_others_finish(site: Site) -> None:
    site.start_daemon("--processes", "2")
    pill, *others = site.send_many([("die_by_signal", 9), *[("quick",)] * 20])
    info = site.wait_for(pill, State.DEAD)
    assert (info.crashes, info.executions, info.reason) == (3, 3, "crashed")
    assert len(site.notes("start", pill)) == 3
    for job in others:
        assert site.wait_for(job, State.KEPT).crashes == 0


def test_fault_02_workers_die_with_a_killed_daemon_and_the_next_one_takes_their_jobs_up(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2", "--lease", "60")
    jobs = [site.send("hold", str(site.gate())), site.send("hold", str(site.gate()))]
    for job in jobs:
        site.wait_for_start(job)
    workers = daemon.workers()
    daemon.kill()
    eventually(lambda: not any(map(is_running, workers)), what="the workers died with their daemon")
    successor = site.start_daemon("--processes", "2", "--lease", "60", wait=False)
    started_s = successor.wait_for_event("daemon.started")["ts"]
    last_taken_up_s = successor.wait_for_event("worker.taken_over", 2)["ts"]
    assert last_taken_up_s - started_s < 2 + SLACK_MS / 1000
    site.gate().touch()
    for job in jobs:
        info = site.wait_for(job, State.KEPT)
        assert (info.crashes, info.failures, info.interrupts, info.executions) == (0, 0, 0, 2)
        assert [attempt.reason for attempt in info.history] == ["interrupted"]
        assert len(site.notes("start", job)) == 2


def test_fault_02_a_suspect_runs_alone_and_is_charged_when_it_kills_its_worker_again(site: Site) -> None:
    daemon = site.start_daemon("--lease", "60", "--prefetch-ms", "10000")
    _grow_batches(site)
    suspect = site.send("hold", str(site.gate()), max_crashes=1)
    site.wait_for_start(suspect)
    others = site.send_many([("quick",)] * 5)
    daemon.kill()
    site.start_daemon("--lease", "60", "--prefetch-ms", "10000")
    second = site.wait_for_start(suspect, 2)
    assert {job.state() for job in others} == {State.READY}, "nothing shares a worker's batch with a suspect"
    os.kill(second.pid, signal.SIGKILL)
    info = site.wait_for(suspect, State.DEAD)
    assert (info.crashes, info.executions, info.reason) == (1, 2, "crashed")
    for job in others:
        assert site.wait_for(job, State.KEPT).crashes == 0


def test_fault_03_everything_killed_at_once_loses_nothing(site: Site) -> None:
    daemons = [site.start_daemon("--processes", "2", "--lease", "60") for _ in range(2)]
    jobs = site.send_many([("nap", 0.02)] * 100, max_crashes=100)
    eventually(lambda: len(site.notes("end")) > 10, what="jobs are under way")
    for pid in [pid for daemon in daemons for pid in (daemon.pid, *daemon.workers())]:
        os.kill(pid, signal.SIGKILL)
    for daemon in daemons:
        daemon.wait()
    site.start_daemon("--processes", "2", "--lease", "60")
    for job in jobs:
        site.wait_for(job, State.KEPT)
    starts = Counter(note.id for note in site.notes("start"))
    assert set(starts) == {job.id for job in jobs}
    assert all(job.info().executions >= 1 for job in jobs)
    status = site.status()
    assert (status.ready, status.scheduled, status.active, status.dead, status.workers) == (0, 0, 0, 0, 2)


def test_fault_03_jobs_of_a_dead_host_run_on_another_one_soon_after_the_lease(site: Site) -> None:
    """The other host cannot look at the boards of the dead one: only the lease tells it."""
    dead = site.start_daemon("--lease", "2", "--processes", "2")
    jobs = [site.send("hold", str(site.gate())) for _ in range(2)]
    for job in jobs:
        site.wait_for_start(job)
    survivor = site.start_daemon("--lease", "2", "--processes", "2", "--runtime-dir", str(site.directory / "elsewhere"))
    killed_ms = monotonic_ms()
    for pid in (*dead.workers(), dead.pid):
        os.kill(pid, signal.SIGKILL)
    again = [site.wait_for_start(job, 2) for job in jobs]
    assert {note.pid for note in again} <= set(survivor.workers())
    assert max(note.at_ms for note in again) - killed_ms < 2000 + 5000 + SLACK_MS
    site.gate().touch()
    for job in jobs:
        info = site.wait_for(job, State.KEPT)
        assert (info.executions, info.crashes, info.failures) == (2, 0, 0), "nobody knows whose fault it was"
    assert not survivor.events("worker.taken_over")


def test_fault_06_a_job_that_holds_the_gil_for_three_leases_keeps_its_job(site: Site) -> None:
    site.start_daemon("--lease", "1")
    job = site.send("hold_gil", 6)
    holder = site.wait_for_start(job).pid
    site.start_daemon("--lease", "1")  # would take it as soon as the lease ran out
    info = site.wait_for(job, State.KEPT, 60)
    [start], [end] = site.notes("start", job), site.notes("end", job)
    assert end.at_ms - start.at_ms > 3000
    assert (info.result, info.executions, info.attempt, info.crashes) == (holder, 1, 1, 0)


def test_fault_12_who_slept_through_its_lease_writes_nothing(site: Site) -> None:
    sleeper = site.start_daemon("--lease", "1")
    job = site.send("hold", str(site.gate()))
    late_worker = site.wait_for_start(job).pid
    awake = site.start_daemon("--lease", "1")
    [other_worker] = awake.workers()
    for pid in (sleeper.pid, late_worker):
        os.kill(pid, signal.SIGSTOP)
    assert site.wait_for_start(job, 2).pid == other_worker
    site.gate("gate.1").touch()  # the late attempt comes to its end while the new one still runs
    for pid in (late_worker, sleeper.pid):
        os.kill(pid, signal.SIGCONT)
    sleeper.wait_for_event("worker.fenced")
    eventually(lambda: not is_running(late_worker), what="the fenced worker was replaced")
    assert job.state() is State.ACTIVE, "the late end changed nothing"
    site.gate("gate.2").touch()
    info = site.wait_for(job, State.KEPT)
    assert (info.result, info.attempt, info.failures, info.interrupts) == (other_worker, 2, 0, 0)
    assert site.status().done == 1
    sleeper.wait_for_event("worker.ready", 2)


def test_fault_12_a_worker_alone_stopped_keeps_its_job_while_its_daemon_renews(site: Site) -> None:
    site.start_daemon("--lease", "1")
    job = site.send("hold", str(site.gate()))
    worker = site.wait_for_start(job).pid
    rival = site.start_daemon("--lease", "1", "--queues", "default")
    os.kill(worker, signal.SIGSTOP)
    stopped_ms = monotonic_ms()
    # Three leases, told by the clock: that nothing happens in them is what is shown.
    eventually(lambda: monotonic_ms() - stopped_ms > 3000, what="three leases passed")
    assert len(site.notes("start", job)) == 1
    os.kill(worker, signal.SIGCONT)
    site.gate().touch()
    assert site.wait_for(job, State.KEPT).result == worker
    assert not rival.events("lease.reaped")


def test_fault_07_a_job_that_ignores_everything_is_killed_after_the_grace_and_goes_back(site: Site) -> None:
    daemon = site.start_daemon("--grace", "0.3", "--kill-after", "0.3")
    job = site.send("swallow", 60)
    worker = site.wait_for_start(job).pid
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    assert not is_running(worker)
    info = job.info()
    assert (info.state, info.interrupts, info.failures, info.crashes) == (State.READY, 1, 0, 0)
    assert [attempt.reason for attempt in info.history] == ["interrupted"]


def test_a_worker_that_is_told_to_drain_by_somebody_else_is_replaced(site: Site) -> None:
    daemon = site.start_daemon()
    job = site.send("hold", str(site.gate()))
    worker = site.wait_for_start(job).pid
    os.kill(worker, signal.SIGTERM)
    site.gate().touch()
    info = site.wait_for(job, State.KEPT)
    assert (info.result, info.executions) == (worker, 1)
    daemon.wait_for_event("worker.ready", 2)
    site.wait_for(site.send("quick"), State.KEPT)


def test_fault_02_a_killed_daemon_leaves_nobody_behind_in_the_registry_or_the_leases(site: Site) -> None:
    site.start_daemon("--lease", "60").kill()
    successor = site.start_daemon("--lease", "60")
    successor.wait_for_event("worker.taken_over")
    assert site.status().workers == 1
    assert site.client.run(upkeep.resume("default")) is False


def test_a_thread_that_a_job_left_behind_does_not_keep_its_worker_when_that_retires(site: Site) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(900,), name='stubborn').start()"
    text = f"from jqjobs import App\napp = App()\n{thread}\n@app.job\ndef f(): ...\n"
    daemon = site.start_daemon("--app", site.write_app("threads", text))
    [worker] = daemon.workers()
    daemon.send(signal.SIGHUP)
    daemon.wait_for_event("worker.replaced")
    eventually(lambda: not is_running(worker), what="the old worker is gone")
    assert daemon.wait_for_event("threads.left")["threads"].count("stubborn") == 1
