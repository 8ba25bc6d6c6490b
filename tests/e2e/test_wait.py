"""Jobs that hand their work to a third party, with real daemons: answered by people, by programs, too early, never."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from e2e.daemon import Daemon, Site, is_running
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from waiting import eventually

pytestmark = pytest.mark.xdist_group("wait")


@pytest.fixture(scope="module")
def daemon(module_site: Site) -> Daemon:
    """One for all tests that need no other."""
    return module_site.start_daemon()


def token_of(site: Site, job: JobHandle, attempt: int = 1) -> str:
    """Wait until an attempt has given its token away; return it."""
    path = site.directory / f"token-{job.id}-{attempt}"
    eventually(path.exists, what=f"{path.name} is there")
    return path.read_text()


def push(site: Site, **envelope: object) -> None:
    site.server.call("LPUSH", "jq:{default}:inbox", json.dumps(envelope))
    site.server.call("ZADD", "jq:{default}:wake", 0, "1")


@pytest.mark.usefixtures("daemon")
def test_a_job_that_waits_leaves_its_worker_to_others_and_jqctl_answers_it(shared_site: Site) -> None:
    job = shared_site.send("hand_over", 0)
    shared_site.wait_for(job, State.WAITING)
    other = shared_site.send("quick")
    assert shared_site.wait_for(other, State.KEPT).result == shared_site.wait_for_start(job).pid
    words = ["job", "resolve", job.ref, "--token", token_of(shared_site, job), "--result", '{"url": "x"}']
    environment = os.environ | {"JQ_REDIS_URL": shared_site.server.url, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-m", "jqjobs.cli.jqctl", *words], env=environment, capture_output=True,
                          text=True, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{job.ref} is answered\n", "")
    info = shared_site.wait_for(job, State.KEPT)
    assert (info.result, info.executions, info.failures) == ({"url": "x"}, 1, 0)


def test_a_program_answers_through_the_inbox(site: Site) -> None:
    site.start_daemon("--poll", "30")
    job = site.send("hand_over", 0)
    site.wait_for(job, State.WAITING)
    push(site, resolve=job.id, token="guess", result=1)
    push(site, resolve=job.id, token=token_of(site, job), result={"empty": [], "big": 2**53 + 1})
    assert site.wait_for(job, State.KEPT).result == {"empty": [], "big": 2**53 + 1}
    assert site.status().rejected == 1


@pytest.mark.usefixtures("daemon")
def test_an_answer_that_comes_while_the_job_still_runs_is_not_lost(shared_site: Site) -> None:
    job = shared_site.send("hand_over", 2)
    assert job.resolve(token_of(shared_site, job), result=5) == "early"
    assert job.state() is State.ACTIVE
    assert shared_site.wait_for(job, State.KEPT).result == 5


@pytest.mark.usefixtures("daemon")
def test_an_error_and_a_deadline_are_failures_and_the_last_one_is_the_end(shared_site: Site) -> None:
    job = shared_site.send("hand_over", 0, 1)
    first = token_of(shared_site, job)
    shared_site.wait_for(job, State.WAITING)
    assert job.resolve(first, error="no such codec") == "resolved"
    assert token_of(shared_site, job, 2) != first
    info = shared_site.wait_for(job, State.DEAD)  # nobody answers the second attempt
    assert (info.reason, info.failures) == ("deadline", 2)
    assert [attempt.reason for attempt in info.history] == ["failed", "deadline"]


def test_a_worker_killed_after_the_hand_over_and_before_its_report_leaves_a_job_that_waits(site: Site) -> None:
    """A trip is under way since the first job, so the second one's outcome waits; the third kills the worker."""
    daemon = site.start_daemon("--prefetch-ms", "10000")
    for _ in range(100):  # now and then, and more often where others take the processors, the monitor comes first
        for quick in site.send_many([("quick",)] * 100):  # so that many are taken at a time
            site.wait_for(quick, State.KEPT)
        [pid] = daemon.workers()
        daemon.send(signal.SIGSTOP)  # so that nobody looks at what the worker leaves behind
        _, job, killer = site.send_many([("quick",), ("hand_over", 0), ("kill_at_once",)])
        eventually(lambda pid=pid: not is_running(pid), what="the worker is killed")
        state = job.state()
        daemon.send(signal.SIGCONT)
        if state is State.ACTIVE:
            break
        site.wait_for(killer, State.DEAD)
    assert state is State.ACTIVE, "it waits to be reported"
    info = site.wait_for(job, State.WAITING)
    assert (info.crashes, info.executions) == (0, 0)
    assert job.resolve(token_of(site, job), result=7) == "resolved"
    assert site.wait_for(job, State.KEPT).result == 7
    assert len(site.notes("start", job)) == 1
    assert site.wait_for(killer, State.DEAD).crashes == 1


@pytest.mark.usefixtures("daemon")
def test_a_job_that_waits_can_be_cancelled(shared_site: Site) -> None:
    job = shared_site.send("hand_over", 0)
    shared_site.wait_for(job, State.WAITING)
    assert job.cancel() == "cancelled"
    assert job.info().reason == "cancelled"
    push(shared_site, resolve=job.id, token=token_of(shared_site, job), result=1)
    eventually(lambda: shared_site.status().rejected == 1, what="the late answer was refused")
