"""A mover that is killed half way: the daemon of the old queue brings its jobs to the new one, each once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from e2e.daemon import Site
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from jqjobs.store.calls import transfers
from jqjobs.store.reads.queues import queue_status
from waiting import eventually

MOVER = """
import os, signal, sys
from jqjobs.store.address import parse_url
from jqjobs.store.calls.moves import move_jobs
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store

url, ids, steps = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
store, left = Store(parse_url(url)), iter(range(steps))

def run(call):
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return store.run(call)

run_steps(run, move_jobs("default", ids, "other"))
"""
#: So many of the steps add_queues, move, transfers, deliver, delivered, acknowledge were taken.
STEPS = {"they have left": 2, "they were delivered": 4, "that was noted": 5}


def move_and_be_killed(site: Site, jobs: list[JobHandle], steps: int) -> None:
    words = [sys.executable, "-c", MOVER, site.server.url, ",".join(job.id for job in jobs), str(steps)]
    assert subprocess.run(words, timeout=60, check=False).returncode == -9


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_a_daemon_finishes_what_a_killed_mover_began(site: Site, steps: int) -> None:
    jobs = site.send_many([("quick",)] * 20, delay="1h")
    daemon = site.start_daemon("--queues", "default")
    move_and_be_killed(site, jobs, steps)

    eventually(lambda: site.status().moving == 0, what="they are brought there")
    assert (site.status().scheduled, site.status("other").scheduled) == (0, 20)
    if steps < 5:
        assert daemon.wait_for_event("jobs.delivered")["jobs"] == 20
    else:
        assert daemon.events("jobs.delivered") == []
    for job in jobs:  # the old handles lead there
        job.promote()
    site.start_daemon("--queues", "other")
    for job in jobs:
        eventually(lambda: job.state() is State.KEPT)  # noqa: B023
    assert len(site.notes("start")) == 20
    assert site.client.run(queue_status("other")).done == 20
    assert site.client.run(transfers.transfers("default")).jobs == []
