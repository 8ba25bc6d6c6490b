"""The signals that neither stop nor reload: quiet and resume, more and fewer workers, stacks. And what hangs."""

from __future__ import annotations

import os
import signal

import pytest

from e2e.daemon import Daemon, Site, is_running
from jqjobs.jobs.records import State
from jqjobs.store.address import parse_url
from jqjobs.store.reads.registry import DaemonInfo, read_registry
from jqjobs.store.store import Store
from waiting import eventually


def about(site: Site, daemon: Daemon) -> DaemonInfo:
    """Return what the daemon says of itself in the registry."""
    store = Store(parse_url(site.server.url))
    try:
        found = [info for info in read_registry(store).daemons if info.pid == daemon.pid]
    finally:
        store.close()
    assert found, "it has not registered yet"
    return found[0]


def make_quiet(site: Site, daemon: Daemon) -> None:
    """Send USR2 and wait until its workers have been told."""
    daemon.send(signal.SIGUSR2)
    eventually(lambda: about(site, daemon).state == "quiet", what="the daemon is quiet")


def let_workers_look(site: Site, daemon: Daemon, times: int = 2) -> None:
    """Wait until each worker of the daemon has made so many trips to Redis, each of which could have taken a job."""
    workers = [worker.id for worker in about(site, daemon).workers if worker.state in ("ready", "busy")]
    assert workers

    def trips() -> list[int]:
        found = [site.server.call("GET", f"jq:{{default}}:trip:{worker}") for worker in workers]
        return [int((value or b"0").split()[0]) for value in found]

    before = trips()
    eventually(lambda: all(now >= was + times for now, was in zip(trips(), before, strict=True)), what="trips")


def test_a_quiet_daemon_finishes_what_runs_and_takes_nothing_new_until_resumed(site: Site) -> None:
    daemon = site.start_daemon()
    running = site.send("hold", str(site.gate()))
    worker = site.wait_for_start(running).pid
    make_quiet(site, daemon)
    waiting = site.send("quick")
    site.gate().touch()
    info = site.wait_for(running, State.KEPT)
    assert (info.executions, info.interrupts) == (1, 0)
    let_workers_look(site, daemon)
    assert waiting.state() is State.READY
    daemon.send(signal.SIGCONT)
    assert site.wait_for(waiting, State.KEPT).result == worker, "the same worker goes on"
    eventually(lambda: about(site, daemon).state == "running", what="the daemon says so")


def test_workers_that_join_a_quiet_daemon_are_quiet_too(site: Site) -> None:
    daemon = site.start_daemon()
    make_quiet(site, daemon)
    os.kill(daemon.workers()[0], signal.SIGKILL)
    daemon.send(signal.SIGTTIN)
    daemon.wait_for_event("worker.ready", 3)
    eventually(lambda: [w.state for w in about(site, daemon).workers] == ["ready", "ready"], what="both are ready")
    job = site.send("quick")
    let_workers_look(site, daemon)
    assert job.state() is State.READY
    daemon.send(signal.SIGCONT)
    site.wait_for(job, State.KEPT)


def waiting_for_tokens(site: Site) -> int:
    """Return how many connections would get a wake token now."""
    clients = site.server.call("CLIENT", "LIST").decode().splitlines()
    return sum("cmd=bzpopmin" in client.split(" ") for client in clients)


def test_a_quiet_worker_takes_no_wake_token_from_those_who_work(site: Site) -> None:
    quiet = site.start_daemon("--poll", "30")  # longest in the line for the token
    [worker] = site.start_daemon("--poll", "30").workers()
    eventually(lambda: waiting_for_tokens(site) == 2, what="both wait")
    make_quiet(site, quiet)
    eventually(lambda: waiting_for_tokens(site) == 1, 20, "only the other one waits")
    assert site.wait_for(site.send("quick"), State.KEPT).result == worker


def test_a_quiet_daemon_drains_like_any_other(site: Site) -> None:
    daemon = site.start_daemon()
    make_quiet(site, daemon)
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def test_ttin_adds_a_worker_and_ttou_lets_one_go_when_its_job_is_done(site: Site) -> None:
    daemon = site.start_daemon()
    daemon.send(signal.SIGTTIN)
    daemon.wait_for_event("worker.ready", 2)
    jobs = [site.send("hold", str(site.gate())) for _ in range(2)]
    pids = {site.wait_for_start(job).pid for job in jobs}
    assert len(pids) == 2
    daemon.send(signal.SIGTTOU)
    eventually(lambda: about(site, daemon).slots == 1, what="it wants one worker only")
    assert set(daemon.workers()) == pids, "nobody is interrupted"
    site.gate().touch()
    for job in jobs:
        info = site.wait_for(job, State.KEPT)
        assert (info.executions, info.interrupts) == (1, 0)
    daemon.wait_for_event("worker.gone")
    assert len(daemon.workers()) == 1
    site.wait_for(site.send("quick"), State.KEPT)
    assert not daemon.events("worker.died")


def test_ttou_leaves_the_last_worker(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2")
    for count in range(1, 4):
        daemon.send(signal.SIGTTOU)
        daemon.wait_for_event("signal", count)
    daemon.wait_for_event("worker.gone")
    site.wait_for(site.send("quick"), State.KEPT)
    assert len(daemon.workers()) == 1
    eventually(lambda: about(site, daemon).slots == 1, what="it wants one worker")


def test_a_worker_given_up_in_the_middle_of_a_reload_stays_away_and_refuses_no_reload(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2")
    before = daemon.workers()
    jobs = [site.send("hold", str(site.gate())) for _ in range(2)]
    for job in jobs:
        site.wait_for_start(job)
    for number in (signal.SIGHUP, signal.SIGTTOU):
        daemon.send(number)
    eventually(lambda: about(site, daemon).slots == 1, what="it wants one worker only")
    site.gate().touch()
    eventually(lambda: len(daemon.workers()) == 1 and not set(daemon.workers()) & set(before), what="one, a new one")
    eventually(lambda: about(site, daemon).state == "running", what="the reload is over")
    assert len(daemon.workers()) == 1
    assert not daemon.events("reload.refused")
    for job in jobs:
        assert site.wait_for(job, State.KEPT).executions == 1


@pytest.mark.parametrize("name", ["nap", "hold_gil"])
def test_usr1_shows_in_the_log_where_a_job_is_and_disturbs_nobody(site: Site, name: str) -> None:
    daemon = site.start_daemon("--processes", "2")
    job = site.send(name, 3)
    worker = site.wait_for_start(job).pid
    daemon.send(signal.SIGUSR1)

    def shown() -> bool:
        own = [line for line in daemon.events("worker.stack") if line["pid"] == worker]
        return any(f"in {name}" in line["at"] and "jobs.py" in line["at"] for line in own)

    eventually(shown, what="the job's own function is in the log")
    eventually(
        lambda: {line["pid"] for line in daemon.events("worker.stack")} == set(daemon.workers()), what="and the others"
    )
    assert {line.get("jobs") for line in daemon.events("worker.stack") if line["pid"] == worker} == {job.ref}
    info = site.wait_for(job, State.KEPT, 60)
    assert (info.executions, is_running(worker)) == (1, True)


@pytest.mark.parametrize("name", ["swallow", "hold_gil"])
def test_fault_06_a_hung_job_that_heeds_nothing_leaves_its_stack_in_its_history(site: Site, name: str) -> None:
    daemon = site.start_daemon()
    job = site.send(name, 60, timeout=0.3, max_attempts=1)
    worker = site.wait_for_start(job).pid
    info = site.wait_for(job, State.DEAD)
    assert (info.reason, info.failures, info.crashes) == ("hung", 1, 0)
    [attempt] = info.history
    assert attempt.reason == "hung"
    assert "time limit of 0.3 s" in (attempt.error or "")
    main_thread = (attempt.traceback or "").split("\n\n")[0]
    assert f"in {name}" in main_thread
    assert "jobs.py" in main_thread
    assert not is_running(worker)
    daemon.wait_for_event("worker.ready", 2)
    site.wait_for(site.send("quick"), State.KEPT)


def test_a_stack_shown_earlier_is_not_taken_for_that_of_a_job_that_hangs_later(site: Site) -> None:
    daemon = site.start_daemon()
    first = site.send("hold", str(site.gate()))
    site.wait_for_start(first)
    daemon.send(signal.SIGUSR1)
    daemon.wait_for_event("worker.stack")
    site.gate().touch()
    site.wait_for(first, State.KEPT)
    job = site.send("swallow", 60, timeout=0.3, max_attempts=1)
    [attempt] = site.wait_for(job, State.DEAD).history
    assert "in swallow" in (attempt.traceback or "")
    assert "in hold" not in (attempt.traceback or "")
