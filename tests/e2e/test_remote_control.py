"""`jqctl daemon …` against real daemons: each order is obeyed and answered within two seconds, or that is said."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from e2e.daemon import Daemon, Site, is_running
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from servers import Server
from waiting import eventually

#: Exit codes of jqctl: all did it; one refused or did not answer; Redis is away; there is no such daemon.
OK, ERROR, UNREACHABLE, NOT_FOUND = 0, 1, 4, 5


def order(site: Site, verb: str, *words: str) -> dict[str, Any]:
    """Give an order to the only daemon, which must obey; return its answer."""
    code, said = site.jqctl("daemon", verb, "--all", *words)
    assert code == OK, said
    [answer] = said["daemons"]
    assert (answer["answered"], answer["ok"]) == (True, True)
    found: dict[str, Any] = answer
    return found


def wait_for_daemons(site: Site, count: int = 1) -> None:
    """Wait until daemons have registered."""
    eventually(lambda: len(site.jqctl("daemon", "list")[1]["daemons"]) == count, what=f"{count} daemons are listed")


def start(site: Site) -> Daemon:
    """Start one daemon with two workers."""
    daemon = site.start_daemon("--name", "web-1", "--processes", "2")
    wait_for_daemons(site)
    return daemon


@pytest.fixture
def daemon(site: Site) -> Daemon:
    return start(site)


@pytest.fixture(scope="module")
def standing(module_site: Site) -> Daemon:
    """One for all orders that leave it as it was."""
    return start(module_site)


SHARED = pytest.mark.xdist_group("remote_control")


@SHARED
@pytest.mark.usefixtures("standing")
def test_a_quiet_daemon_takes_nothing_until_it_is_resumed(shared_site: Site) -> None:
    assert order(shared_site, "quiet")["facts"]["state"] == "quiet"

    def left_alone() -> JobHandle | None:
        job = shared_site.send("quick")
        [shown] = shared_site.jqctl("daemon", "list")[1]["daemons"]
        assert shown["state"] == "quiet"
        return job if job.state() is State.READY else None

    job = eventually(left_alone, what="what was not on its way when the order came stays where it is")
    assert job is not None
    assert order(shared_site, "resume")["facts"]["state"] == "running"
    shared_site.wait_for(job, State.KEPT)


def test_scale_adds_workers_and_lets_others_go(site: Site, daemon: Daemon) -> None:
    before = set(daemon.workers())
    assert order(site, "scale", "--workers", "4")["message"] == "from 2 to 4 workers"
    daemon.wait_for_event("worker.ready", 4)
    assert order(site, "scale", "--workers", "-1")["facts"]["wanted"] == 3
    eventually(lambda: len(daemon.workers()) == 3, what="three are left")
    assert before <= set(daemon.workers()), "the last to come are the first to go"


@SHARED
def test_reload_replaces_every_worker_and_interrupts_no_job(shared_site: Site, standing: Daemon) -> None:
    before = standing.workers()
    job = shared_site.send("hold", str(shared_site.gate()))
    shared_site.wait_for_start(job)
    order(shared_site, "reload")
    standing.wait_for_event("worker.replaced", 2)
    assert job.state() is State.ACTIVE
    shared_site.gate().touch()
    assert shared_site.wait_for(job, State.KEPT).interrupts == 0
    eventually(lambda: len(standing.workers()) == 2 and not set(standing.workers()) & set(before), what="all are new")


def releases(site: Site) -> set[str]:
    """Return which releases the workers of all daemons have loaded, but for those that are on their way out."""
    code, said = site.jqctl("status")
    assert code == OK
    workers = [worker for daemon in said["daemons"] for worker in daemon["workers"]]
    return {worker["release"] for worker in workers if worker["state"] != "stopping"}


def test_who_waits_for_a_reload_is_told_how_it_ended(site: Site) -> None:
    app = site.write_app("shop", "from jqjobs import App\napp = App()\n@app.job\ndef add() -> None: ...\n")
    (site.directory / ".env").write_text("JQ_RELEASE=v1\n")
    site.start_daemon("--app", app, "--watch", "off", "--name", "one")
    site.start_daemon("--app", app, "--watch", "off", "--name", "two")
    eventually(lambda: releases(site) == {"v1"}, what="the release of the old workers")
    (site.directory / ".env").write_text("JQ_RELEASE=v2\n")
    code, said = site.jqctl("daemon", "reload", "--all", "--wait", "--within", "60s")
    assert code == OK, said
    assert [one["message"] for one in said["daemons"]] == ["reloaded: 1 worker of release v2"] * 2
    assert releases(site) == {"v2"}
    site.write_app("shop", "import nothing_of_that_name")
    code, said = site.jqctl("daemon", "reload", "one", "--wait", "--within", "60s")
    assert code == ERROR, said
    assert "No module named 'nothing_of_that_name'" in said["daemons"][0]["message"]
    assert releases(site) == {"v2"}


def test_who_waits_is_told_of_a_daemon_that_is_replaced_itself(site: Site) -> None:
    (site.directory / ".env").write_text("JQ_POLL=0.5\n")
    site.start_daemon("--watch", "off", "--poll", "")
    wait_for_daemons(site)
    (site.directory / ".env").write_text("JQ_POLL=0.6\n")
    code, said = site.jqctl("daemon", "reload", "--all", "--wait", "--within", "60s")
    assert code == OK, said
    assert said["daemons"][0]["message"].startswith("reloaded, the daemon too: 1 worker")


@SHARED
def test_dump_shows_where_every_job_is_and_disturbs_none(shared_site: Site, standing: Daemon) -> None:
    job = shared_site.send("hold", str(shared_site.gate()))
    worker = shared_site.wait_for_start(job).pid
    stacks = {found["pid"]: found for found in order(shared_site, "dump")["facts"]["stacks"]}
    assert set(stacks) == set(standing.workers())
    assert stacks[worker]["jobs"] == [job.ref]
    assert "in hold" in stacks[worker]["text"]
    assert [found["jobs"] for pid, found in stacks.items() if pid != worker] == [[]]
    shared_site.gate().touch()
    assert shared_site.wait_for(job, State.KEPT).executions == 1


def test_drain_lets_the_running_job_finish_and_refuses_what_comes_too_late(site: Site, daemon: Daemon) -> None:
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    assert order(site, "drain")["facts"]["state"] == "draining"
    for late in (("quiet",), ("resume",), ("reload",), ("scale", "--workers", "5")):
        code, said = site.jqctl("daemon", *late, "web-1")
        [answer] = said["daemons"]
        assert (code, answer["answered"], answer["message"]) == (ERROR, True, "it is draining")
    site.gate().touch()
    assert daemon.wait() == 0
    assert site.wait_for(job, State.KEPT).interrupts == 0


def test_stop_interrupts_the_running_job_and_gives_it_back(site: Site, daemon: Daemon) -> None:
    job = site.send("nap", 60)
    site.wait_for_start(job)
    assert order(site, "stop")["facts"]["state"] == "stopping"
    assert daemon.wait() == 0
    info = job.info()
    assert (info.state, info.interrupts, info.crashes) == (State.READY, 1, 0)


def test_a_daemon_whose_jobs_hold_the_gil_answers_all_the_same(site: Site, daemon: Daemon) -> None:
    jobs = [site.send("hold_gil", 60) for _ in range(2)]
    for job in jobs:
        site.wait_for_start(job)
    order(site, "quiet")
    stacks = order(site, "dump")["facts"]["stacks"]
    assert all("in hold_gil" in found["text"] for found in stacks)
    order(site, "stop")
    assert daemon.wait() == 0, "a job that nothing reaches is killed"
    assert {job.state() for job in jobs} == {State.READY}


def test_a_worker_that_hears_nothing_does_not_hold_up_its_daemon(site: Site, daemon: Daemon) -> None:
    """What is told to it while its job holds the GIL is more than fits into a socket."""
    job = site.send("hold_gil", 60)
    site.wait_for_start(job)

    def have_told_much() -> bool:
        for number in (signal.SIGUSR2, signal.SIGCONT) * 25:
            daemon.send(number)
        return len(daemon.events("signal")) >= 1000

    eventually(have_told_much, 120, "a thousand words")  # each costs a turn of the daemon
    order(site, "resume")
    site.wait_for(site.send("quick"), State.KEPT)


def test_orders_reach_whom_they_name(site: Site) -> None:
    ours, other = (site.start_daemon("--name", name) for name in ("web-1", "web-2"))
    wait_for_daemons(site, 2)
    code, said = site.jqctl("daemon", "drain", "web-1")
    assert (code, [answer["name"] for answer in said["daemons"]]) == (OK, ["web-1"])
    assert ours.wait() == 0
    assert other.process.poll() is None
    assert site.jqctl("daemon", "drain", "web-3")[0] == NOT_FOUND


def test_of_a_daemon_that_does_not_answer_it_is_said_and_the_others_obey(site: Site) -> None:
    stopped, awake = (site.start_daemon("--name", name, "--lease", "60") for name in ("web-1", "web-2"))
    wait_for_daemons(site, 2)
    stopped.send(signal.SIGSTOP)
    code, said = site.jqctl("daemon", "quiet", "--all")
    answers = {answer["name"]: answer for answer in said["daemons"]}
    assert code == ERROR
    assert (answers["web-2"]["ok"], answers["web-2"]["message"]) == (True, "takes no new jobs")
    assert (answers["web-1"]["answered"], answers["web-1"]["ok"]) == (False, False)
    assert answers["web-1"]["message"].startswith("no answer within 2 s (last heard of ")
    assert awake.process.poll() is None
    stopped.send(signal.SIGCONT)
    eventually(lambda: site.jqctl("daemon", "resume", "web-1")[0] == OK, what="it answers again")


def test_orders_work_again_when_redis_is_back(
    start_server: Callable[..., Server], site_on: Callable[[Server], Site]
) -> None:
    server = start_server("redis", "--appendonly", "yes")
    site = site_on(server)
    daemon = site.start_daemon("--name", "web-1")
    wait_for_daemons(site)
    [worker] = daemon.workers()
    server.kill()
    code, said = site.jqctl("daemon", "quiet", "web-1")
    assert (code, said["error"]["code"]) == (UNREACHABLE, "unreachable")
    daemon.wait_for_event("redis.lost")
    server.restart()
    eventually(lambda: site.jqctl("daemon", "quiet", "web-1")[0] == OK, what="it hears orders again")
    assert is_running(worker), "an outage is no reason to replace a worker"
    order(site, "drain")
    assert daemon.wait() == 0
