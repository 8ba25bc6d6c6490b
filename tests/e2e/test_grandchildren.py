"""Fault 8: what a job has started and left does not outlive its worker, also when the daemon is gone too."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from e2e.daemon import Site, is_running
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from waiting import eventually

APP = '''
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from jqjobs import App, current_job

app = App()


@app.job(max_attempts=1)
def leave_behind(file: str, new_session: bool = False) -> str:
    """The first time: start a process, note its pid, and hang, whatever is raised in here."""
    if current_job().attempt > 1:
        return "another time"
    left = subprocess.Popen(["sleep", "300"], start_new_session=new_session)
    Path(file + ".new").write_text(str(left.pid))
    Path(file + ".new").rename(file)
    while True:
        with suppress(BaseException):
            time.sleep(0.05)
'''


class Behind:
    """A site whose job leaves a process behind; where its pid is noted."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.file = site.directory / "left"
        self.app = site.write_app("behind", APP)

    def start_job(self, *, new_session: bool = False, **options: str) -> tuple[JobHandle, int]:
        """Send the job and wait until it hangs; return it, and the pid of what it has started."""
        job = self.site.send("leave_behind", str(self.file), new_session, **options)
        eventually(self.file.exists, what="the job has started a process")
        left = int(self.file.read_text())
        assert is_running(left)
        return job, left


@pytest.fixture
def behind(site: Site) -> Iterator[Behind]:
    made = Behind(site)
    yield made
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int(made.file.read_text()), signal.SIGKILL)


def test_fault_08_what_a_job_started_dies_with_its_killed_worker(behind: Behind) -> None:
    daemon = behind.site.start_daemon("--app", behind.app)
    job, left = behind.start_job()
    [worker] = daemon.workers()
    os.kill(worker, signal.SIGKILL)
    assert behind.site.wait_for(job, State.KEPT).crashes == 1
    eventually(lambda: not is_running(left), what="what the job started is gone")


def test_fault_08_what_a_job_started_dies_with_the_worker_that_was_killed_for_its_time_limit(behind: Behind) -> None:
    behind.site.start_daemon("--app", behind.app, "--kill-after", "0.5")
    job, left = behind.start_job(timeout="1s")
    assert behind.site.wait_for(job, State.DEAD).reason == "hung"
    eventually(lambda: not is_running(left), what="what the job started is gone")


def test_fault_08_who_made_a_session_of_its_own_survives_which_is_a_documented_limit(behind: Behind) -> None:
    daemon = behind.site.start_daemon("--app", behind.app, "--kill-after", "0.5")
    job, left = behind.start_job(new_session=True, timeout="1s")
    assert behind.site.wait_for(job, State.DEAD).reason == "hung"
    daemon.wait_for_event("worker.ready", 2)
    assert is_running(left)


def test_fault_08_what_a_job_started_before_its_daemon_was_killed_is_ended_by_the_next_daemon(behind: Behind) -> None:
    daemon = behind.site.start_daemon("--app", behind.app)
    job, left = behind.start_job()
    workers = daemon.workers()
    daemon.kill()
    eventually(lambda: not any(map(is_running, workers)), what="the workers died with their daemon")
    assert is_running(left), "so far nobody has ended it"
    successor = behind.site.start_daemon("--app", behind.app)
    assert successor.wait_for_event("worker.taken_over")["descendants"] == "killed"
    eventually(lambda: not is_running(left), what="what the job started is gone")
    assert behind.site.wait_for(job, State.KEPT).result == "another time"


def test_fault_08_a_daemon_that_runs_already_ends_what_its_neighbours_jobs_left(behind: Behind) -> None:
    daemon = behind.site.start_daemon("--app", behind.app)
    _, left = behind.start_job()
    neighbour = behind.site.start_daemon("--app", behind.app)
    daemon.kill()
    assert neighbour.wait_for_event("worker.taken_over")["descendants"] == "killed"
    eventually(lambda: not is_running(left), what="what the job started is gone")


def test_a_take_over_with_nothing_left_behind_says_nothing_of_it(behind: Behind) -> None:
    behind.site.start_daemon("--app", behind.app).kill()
    successor = behind.site.start_daemon("--app", behind.app)
    assert "descendants" not in successor.wait_for_event("worker.taken_over")
