"""`jqd` as PID 1 of a container: a real pid namespace, where orphans become its children and TERM has no default.

Needs root and unshare(1). Pids in here are those of this namespace, outside.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from e2e.daemon import DEFAULT_FLAGS, Daemon, Site, is_running
from jqjobs.jobs.records import State
from waiting import eventually

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]

APP = '''
import os
import subprocess
import sys
import time

from jqjobs import App, current_job

app = App()

#: Ends at once; its child waits until it has become a child of PID 1, says so, and ends too.
ORPHAN = """
import os, sys, time
if os.fork() == 0:
    while os.getppid() != 1:
        time.sleep(0.01)
    os.mkdir(sys.argv[1])
"""


@app.job
def leave_orphan(says_so: str) -> int:
    subprocess.run([sys.executable, "-c", ORPHAN, says_so], check=True)
    return os.getppid()


@app.job(backoff=0)
def leave_running() -> str:
    """The first time: start a process and hang."""
    if current_job().attempt == 1:
        subprocess.Popen(["sleep", "300"])
        time.sleep(300)
    return "another time"
'''


class PidOne:
    """A daemon that is PID 1 of a namespace of its own."""

    def __init__(self, site: Site) -> None:
        log = site.directory / "pid1.log"
        chosen = {
            **DEFAULT_FLAGS, "--processes": "2", "--runtime-dir": str(site.directory / "boards"),
            "--app": site.write_app("orphans", APP), "--redis": site.server.url,
        }  # fmt: skip
        path = os.pathsep.join([str(site.directory), *sys.path])
        with log.open("ab") as stderr:
            self.outside = subprocess.Popen(
                [*UNSHARE, sys.executable, "-m", "jqjobs.cli.jqd", *(word for flag in chosen.items() for word in flag)],
                cwd=site.directory, env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL,
                stdout=stderr, stderr=stderr, start_new_session=True,
            )  # fmt: skip
        self.log = Daemon(self.outside, log)
        site.daemons.append(self.log)
        self.log.wait_for_event("worker.ready", 2)
        [self.daemon] = psutil.Process(self.outside.pid).children()

    def sleepers(self) -> list[psutil.Process]:
        """Return the processes that `leave_running` has left."""
        return [p for p in self.daemon.children(recursive=True) if _name(p) == "sleep"]

    def children(self) -> list[int]:
        """Return the pids of all children of PID 1, zombies among them."""
        return sorted(child.pid for child in self.daemon.children())

    def workers(self) -> list[int]:
        """Return the pids of its workers that run."""
        running = [child for child in self.daemon.children() if child.status() != psutil.STATUS_ZOMBIE]
        return sorted(child.pid for child in running if "jqjobs.worker" in child.cmdline())


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


@pytest.fixture
def pid_one(site: Site) -> PidOne:
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root and unshare(1): no pid namespace can be made here")
    return PidOne(site)


def leave_orphans(site: Site, directory: Path, count: int) -> None:
    """Have jobs leave processes to PID 1; return when these have said so, and are about to end."""
    for number in range(count):
        says_so = directory / f"orphan{number}"
        assert site.wait_for(site.send("leave_orphan", str(says_so)), State.KEPT).result == 1, "its daemon is PID 1"
        eventually(says_so.exists, what="an orphan became a child of PID 1")


def test_orphans_of_jobs_do_not_stay_zombies(site: Site, pid_one: PidOne, tmp_path: Path) -> None:
    workers = pid_one.children()
    assert len(workers) == 2
    leave_orphans(site, tmp_path, 3)
    eventually(lambda: pid_one.children() == workers, what="PID 1 has no children but its workers")


def test_what_a_killed_worker_leaves_is_ended_waited_for_and_hides_no_exit_status(
    site: Site, pid_one: PidOne, tmp_path: Path
) -> None:
    leave_orphans(site, tmp_path, 1)
    job = site.send("leave_running")
    left = eventually(pid_one.sleepers)
    os.kill(left[0].ppid(), signal.SIGKILL)
    assert site.wait_for(job, State.KEPT).crashes == 1
    assert pid_one.log.wait_for_event("worker.died")["code"] == -signal.SIGKILL
    assert "killed by SIGKILL" in (job.info().history[0].error or "")
    pid_one.log.wait_for_event("worker.ready", 3)
    eventually(lambda: len(pid_one.children()) == 2, what="PID 1 has no children but its workers")
    assert pid_one.children() == pid_one.workers()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_pid_1_in_an_orderly_way(pid_one: PidOne, number: signal.Signals) -> None:
    workers = pid_one.workers()
    pid_one.daemon.send_signal(number)
    assert pid_one.outside.wait(20) == 0, "unshare ends as its child did"
    assert not any(map(is_running, workers))
    assert pid_one.log.wait_for_event("daemon.ended")["code"] == 0


def test_an_orphan_that_is_still_running_does_not_keep_pid_1_from_ending(site: Site, pid_one: PidOne) -> None:
    site.send("leave_running", timeout="1s")
    eventually(pid_one.sleepers)
    pid_one.daemon.send_signal(signal.SIGQUIT)
    assert pid_one.outside.wait(20) == 0
