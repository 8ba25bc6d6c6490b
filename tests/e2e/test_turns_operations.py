"""Queues by pattern while their daemon is reloaded, scaled, or told to end with its work; while one of them is paused;
and in a cluster."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from typing import cast

import pytest

from cluster_server import ClusterServer
from e2e.daemon import Site
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from jqjobs.store.calls import upkeep
from servers import Server
from waiting import eventually

FLAGS = ("--queues", "tenant-*", "--lease", "20")
PATIENCE_S = 120.0


def send_naps(site: Site, queues: int, each: int, seconds: float) -> list[JobHandle]:
    """Send jobs to so many queues, so many to each."""
    names, naps = [f"tenant-{number}" for number in range(queues)], [("nap", seconds)] * each
    site.client.run(upkeep.add_queues(names))
    return [job for name in names for job in site.send_many(naps, queue=name)]


def wait_for_all(site: Site, jobs: list[JobHandle]) -> None:
    """Wait until they have succeeded, and look whether each was started once."""
    for job in jobs:
        site.wait_for(job, State.KEPT, PATIENCE_S)
    assert set(Counter(note.id for note in site.notes("start")).values()) == {1}


def leases(site: Site, *queues: str) -> list[str]:
    """The queues of these where anybody has a lease."""
    with site.client.store() as store:
        return [queue for queue in queues if store.wire.call("EXISTS", f"jq:{{{queue}}}:leases")]


def test_a_burst_ends_when_nothing_is_left_in_any_of_them(site: Site) -> None:
    jobs = send_naps(site, 40, 2, 0.01)
    assert site.start_daemon(*FLAGS, "--burst", "ready", "--processes", "2", wait=False).wait(PATIENCE_S) == 0
    wait_for_all(site, jobs)


def test_a_reload_under_load_disturbs_no_job_and_leaves_no_lease_behind(site: Site) -> None:
    daemon = site.start_daemon(*FLAGS, "--processes", "2", wait=False)
    daemon.wait_for_event("worker.ready", 2, PATIENCE_S)
    jobs = send_naps(site, 40, 10, 0.02)
    eventually(lambda: len(site.notes("end")) > 20, PATIENCE_S, "work is under way")
    daemon.send(signal.SIGHUP)
    daemon.wait_for_event("worker.replaced", 2, PATIENCE_S)
    wait_for_all(site, jobs)
    eventually(lambda: not leases(site, *[f"tenant-{number}" for number in range(40)]), 60, "no lease is left")


def test_one_that_is_paused_waits_while_the_others_go_on(site: Site) -> None:
    site.client.run(upkeep.pause("tenant-0"))
    site.start_daemon(*FLAGS)
    paused, *others = send_naps(site, 4, 1, 0.01)
    for job in others:
        site.wait_for(job, State.KEPT, PATIENCE_S)
    assert not site.notes("start", paused)
    site.client.run(upkeep.resume("tenant-0"))
    wait_for_all(site, [paused, *others])


def test_there_are_as_many_workers_as_their_jobs_call_for(site: Site) -> None:
    daemon = site.start_daemon(*FLAGS, "--processes", "1..3", "--hold", "2s", wait=False)
    daemon.wait_for_event("worker.ready", 1, PATIENCE_S)
    jobs = send_naps(site, 30, 2, 0.5)
    daemon.wait_for_event("worker.started", 3, PATIENCE_S)
    wait_for_all(site, jobs)
    assert len({note.pid for note in site.notes("start")}) == 3


@pytest.mark.xdist_group("cluster")
def test_in_a_cluster_they_are_found_and_served_wherever_they_are(
    cluster: ClusterServer, site_on: Callable[[Server], Site]
) -> None:
    site = site_on(cast(Server, cluster))
    site.start_daemon(*FLAGS, wait=False).wait_for_event("worker.ready", 1, PATIENCE_S)
    wait_for_all(site, send_naps(site, 40, 3, 0.01))
