"""A daemon with ``--processes MIN..MAX``: a burst, jobs that run long or wait long, orders, a drain."""

from __future__ import annotations

import signal
import time

from e2e.daemon import Daemon, Site
from jqjobs.jobs.records import State, new_id
from jqjobs.store.calls.daemons import post_order
from jqjobs.store.calls.orders import Order, Verb
from jqjobs.store.reads.registry import DaemonInfo, read_registry
from jqjobs.store.store import Store
from waiting import PATIENCE_S, eventually


def about(site: Site) -> DaemonInfo:
    """Return what the one daemon says of itself in the registry."""
    store = Store(site.client.address)
    try:
        found = read_registry(store).daemons
    finally:
        store.close()
    assert len(found) == 1
    return found[0]


def wait_for_workers(site: Site, count: int) -> None:
    """Wait until the daemon wants so many workers, and has no others."""
    eventually(lambda: (about(site).slots, len(about(site).workers)) == (count, count), PATIENCE_S, f"{count} workers")


def scale(site: Site, argument: str) -> None:
    """Order the daemon to have so many workers."""
    site.client.run(post_order(about(site).id, Order(Verb.SCALE, argument, new_id()).to_json()))
    eventually(lambda: about(site).processes == argument, PATIENCE_S, f"it has {argument}")


def sizes(daemon: Daemon) -> list[int]:
    """Return how many workers there were, one after the other."""
    return [1, *(line["now"] for line in daemon.events("daemon.scaled"))]


def test_a_burst_of_200_is_met_by_eight_within_ten_seconds_and_one_is_left(site: Site) -> None:
    daemon = site.start_daemon("--processes", "1..8", "--hold", "2s")
    jobs, sent_s = site.send_many([("nap", 1.0)] * 200), time.time()
    eighth = daemon.wait_for_event("worker.started", 8, PATIENCE_S)
    assert eighth["ts"] - sent_s < 10
    for job in jobs:
        site.wait_for(job, State.KEPT, PATIENCE_S)
    assert len({note.pid for note in site.notes("start")}) == 8
    wait_for_workers(site, 1)
    assert sizes(daemon) == [1, 2, 4, 8, 7, 6, 5, 4, 3, 2, 1]
    assert not daemon.events("worker.died")
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def test_a_long_job_keeps_its_own_worker_and_no_other(site: Site) -> None:
    site.start_daemon("--processes", "1..4", "--hold", "2s")
    naps = site.send_many([("nap", 0.2)] * 30)
    long = site.send("hold", str(site.gate()), priority=1)
    worker = site.wait_for_start(long).pid
    for nap in naps:
        site.wait_for(nap, State.KEPT, PATIENCE_S)
    wait_for_workers(site, 1)
    assert [one.pid for one in about(site).workers] == [worker]
    site.gate().touch()
    assert site.wait_for(long, State.KEPT).interrupts == 0


def test_a_job_that_waits_too_long_gets_one_worker_more_before_any_has_ended(site: Site) -> None:
    daemon = site.start_daemon("--processes", "1..8", "--hold", "2s")
    jobs = [site.send("hold", str(site.gate())) for _ in range(2)]
    for job in jobs:
        site.wait_for_start(job, timeout_s=PATIENCE_S)
    assert sizes(daemon) == [1, 2]
    site.gate().touch()
    for job in jobs:
        site.wait_for(job, State.KEPT)


def test_an_order_fixes_the_number_or_lets_the_jobs_decide_again(site: Site) -> None:
    daemon = site.start_daemon("--processes", "1..8", "--hold", "2s")
    eventually(lambda: about(site).processes == "1..8", what="status shows the range")
    scale(site, "3")
    wait_for_workers(site, 3)
    assert sizes(daemon) == [1], "that was an order"
    scale(site, "1..4")
    wait_for_workers(site, 1)


def test_a_reload_and_a_new_image_keep_the_range(site: Site) -> None:
    daemon = site.start_daemon("--processes", "1..8", "--hold", "60s")
    scale(site, "2..4")
    wait_for_workers(site, 2)
    daemon.send(signal.SIGHUP)
    daemon.wait_for_event("worker.replaced", 2, PATIENCE_S)
    wait_for_workers(site, 2)

    (site.directory / ".env").write_text("JQ_MAX_JOBS=1000\n")
    daemon.send(signal.SIGHUP)
    daemon.wait_for_event("daemon.started", 2, PATIENCE_S)
    eventually(lambda: about(site).processes == "2..4", PATIENCE_S, "the order outlives the image that was given it")
    wait_for_workers(site, 2)
    jobs = site.send_many([("nap", 1.0)] * 40)
    daemon.wait_for_event("daemon.scaled", 1, PATIENCE_S)
    wait_for_workers(site, 4)
    for job in jobs:
        site.wait_for(job, State.KEPT, PATIENCE_S)
