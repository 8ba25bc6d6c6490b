"""A thousand queues by one pattern, on a real daemon: each has its turn, and kills lose nothing."""

from __future__ import annotations

import os
import signal

from e2e.daemon import Daemon, Site
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import State
from jqjobs.store.calls import upkeep
from waiting import eventually

FLAGS = ("--queues", "tenant-*", "--processes", "4", "--lease", "20")
#: Wide: an idle machine needs a second.
SOON_S = 20.0


def start(site: Site) -> Daemon:
    """Start four workers, which takes long where the processor is busy."""
    daemon = site.start_daemon(*FLAGS, wait=False)
    daemon.wait_for_event("worker.ready", 4, 120)
    return daemon


def tenants(site: Site, count: int) -> list[str]:
    """Make queues known, as their first producers do."""
    names = [f"tenant-{number}" for number in range(count)]
    site.client.run(upkeep.add_queues(names))
    return names


def leases(site: Site) -> list[str]:
    """The queues where anybody has a lease, or ever will have had one in hand."""
    with site.client.store() as store:
        found = store.wire.call("KEYS", "jq:{tenant-*}:leases") + store.wire.call("KEYS", "jq:{tenant-*}:active:*")
    return [key.decode() for key in found]


def is_heard_of(site: Site) -> bool:
    """Whether a daemon hears of jobs between two looks."""
    with site.client.store() as store:
        clients = store.wire.call("CLIENT", "LIST").decode().splitlines()
    return any("name=jqd-tokens" in client and "cmd=bzpopmin" in client for client in clients)


def test_a_job_of_any_of_a_thousand_idle_queues_starts_soon_and_all_leases_are_let_go_of(site: Site) -> None:
    queues = tenants(site, 1000)
    start(site)
    eventually(lambda: is_heard_of(site), 60, "tokens are waited for")
    for queue in queues[::250]:
        sent_ms = monotonic_ms()
        job = site.send("quick", queue=queue)
        assert site.wait_for_start(job, timeout_s=60).at_ms - sent_ms < SOON_S * 1000
    later = site.send("quick", queue=queues[1], delay=1.5)
    raw = site.send("quick", queue="tenant-new")
    for job in (later, raw):
        site.wait_for(job, State.KEPT, 60)
    eventually(lambda: not leases(site), 60, "no lease is left where nothing is to be done")


def test_jobs_of_others_start_while_a_hundred_queues_are_full(site: Site) -> None:
    queues = tenants(site, 1000)
    start(site)
    for queue in queues[:100]:
        site.send_many([("nap", 0.01)] * 25, queue=queue)
    eventually(lambda: len(site.notes("start")) > 100, 120, "work is under way")
    few = [site.send("quick", queue=queue) for queue in queues[500::200]]
    for job in few:
        site.wait_for_start(job, timeout_s=120)
    eventually(lambda: {note.queue for note in site.notes("end")} >= set(queues[:100]), 120, "each has had a turn")
    done = sum(note.queue in queues[:100] for note in site.notes("end"))
    assert done < 100 * 25 * 0.95, "neither these nor any full one has waited for all that was there before"


def test_a_worker_and_then_the_daemon_are_killed_and_every_job_runs(site: Site) -> None:
    queues = tenants(site, 200)
    jobs = [job for queue in queues for job in site.send_many([("nap", 0.02)] * 2, queue=queue)]
    daemon = start(site)
    eventually(lambda: len(site.notes("end")) > 20, 120, "work is under way")
    os.kill(daemon.workers()[0], signal.SIGKILL)
    eventually(lambda: len(site.notes("end")) > 100, 120, "it goes on")
    daemon.kill()
    start(site)
    for job in jobs:
        site.wait_for(job, State.KEPT, 120)
    eventually(lambda: not leases(site), 60, "no lease is left")
