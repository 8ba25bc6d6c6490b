"""Redis that is missing, restarted, frozen, emptied, or drops connections: waited out, nothing lost or doubled."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deployments.ports import free_port
from e2e.daemon import Site
from jqjobs import App, JobHandle
from jqjobs.errors import StoreUnavailable
from jqjobs.jobs.records import State
from jqjobs.store.address import parse_url
from proxy import Proxy
from servers import Server
from waiting import PATIENCE_S, eventually

StartServer = Callable[..., Server]
SiteOn = Callable[[Server], Site]

#: Loses nothing that was acknowledged. (With everysec, a slow disk puts writes off, and a killed server loses them.)
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


def _starts_per_job(site: Site, jobs: list[JobHandle]) -> Counter[int]:
    """Return how many jobs were started how often."""
    starts = Counter(note.id for note in site.notes("start"))
    return Counter(starts[job.id] for job in jobs)


def _wait_for_all(site: Site, jobs: list[JobHandle], timeout_s: float = PATIENCE_S) -> None:
    for job in jobs:
        site.wait_for(job, State.KEPT, timeout_s)


def test_a_daemon_waits_for_a_redis_that_is_missing_at_boot_and_says_so(
    start_server: StartServer, site_on: SiteOn
) -> None:
    server = start_server("valkey", *DURABLE)
    site = site_on(server)
    job = site.send("quick")
    server.kill()
    daemon = site.start_daemon("--processes", "2", wait=False)
    daemon.wait_for_event("redis.lost")
    daemon.wait_for_event("worker.started", 2)
    assert server.address in daemon.events("redis.lost")[0]["error"]
    workers = daemon.workers()
    server.restart()
    daemon.wait_for_event("worker.ready", 2)
    site.wait_for(job, State.KEPT)
    assert daemon.workers() == workers
    assert len(daemon.events("redis.lost")) <= 3, "each process says it once"


@pytest.mark.parametrize("moment", ["boot", "idle"])
def test_fault_10_term_during_an_outage_is_obeyed(start_server: StartServer, site_on: SiteOn, moment: str) -> None:
    server = start_server("valkey", *DURABLE)
    site = site_on(server)
    if moment == "boot":
        server.kill()
        daemon = site.start_daemon(wait=False)
        daemon.wait_for_event("redis.lost", 2)
    else:
        daemon = site.start_daemon()
        server.kill()
        daemon.wait_for_event("redis.lost")
    began = time.monotonic()
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    assert time.monotonic() - began < 8, daemon.log_text()


def test_a_job_interrupted_during_an_outage_is_taken_up_later_and_charged_nothing(
    start_server: StartServer, site_on: SiteOn
) -> None:
    server = start_server("valkey", *DURABLE)
    site = site_on(server)
    daemon = site.start_daemon("--grace", "0.1", "--lease", "60")
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    server.kill()
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    server.restart()
    site.start_daemon("--lease", "60")
    site.wait_for_start(job, 2)
    site.gate().touch()
    info = site.wait_for(job, State.KEPT)
    assert (info.failures, info.crashes, info.executions) == (0, 0, 2)


@pytest.mark.parametrize("kind", ["valkey", "redis"])
def test_a_restart_with_its_log_loses_and_doubles_nothing(
    start_server: StartServer, site_on: SiteOn, kind: str
) -> None:
    server = start_server(kind, *DURABLE)
    site = site_on(server)
    daemon = site.start_daemon("--processes", "2")
    workers = daemon.workers()
    held = site.send("hold", str(site.gate()))
    site.wait_for_start(held)
    jobs = site.send_many([("nap", 0.01)] * 100)
    eventually(lambda: len(site.notes("end")) > 20, what="jobs are under way")
    server.kill()
    site.gate().touch()
    eventually(lambda: site.notes("end", held), what="a job ends while Redis is away")
    server.restart()
    back = time.monotonic()
    after = eventually(lambda: _sent(site), 15, "producers come back by themselves")
    site.wait_for(after, State.KEPT)
    assert time.monotonic() - back < 20, "claimed again within seconds"
    _wait_for_all(site, [held, *jobs])
    assert _starts_per_job(site, [held, *jobs]) == {1: 101}
    assert held.info().executions == 1
    assert daemon.workers() == workers, "no worker was restarted for it"


def _sent(site: Site) -> JobHandle | None:
    try:
        return site.send("quick", priority=100)
    except StoreUnavailable:
        return None


@contextmanager
def _dropping_connections(server: Server, every_s: float) -> Iterator[list[int]]:
    """Close every client's connection again and again, whatever it is in the middle of."""
    ended = threading.Event()
    dropped: list[int] = []

    def drop() -> None:
        while not ended.wait(every_s):
            dropped.append(server.call("CLIENT", "KILL", "TYPE", "normal"))

    thread = threading.Thread(target=drop)
    thread.start()
    try:
        yield dropped
    finally:
        ended.set()
        thread.join()


def test_connections_dropped_under_load_lose_and_double_nothing(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2")
    workers = daemon.workers()
    jobs = site.send_many([("nap", 0.005)] * 400)
    with _dropping_connections(site.server, 0.15) as dropped:
        eventually(lambda: len(site.notes("end")) >= 400, 60, "all have run")
    _wait_for_all(site, jobs)
    assert sum(dropped) > 20
    assert _starts_per_job(site, jobs) == {1: 400}
    assert {job.info().executions for job in jobs} == {1}
    assert daemon.workers() == workers
    status = site.status()
    assert (status.done, status.failed, status.ready, status.active, status.workers) == (400, 0, 0, 0, 2)


def test_replies_lost_under_load_lose_and_double_nothing(site: Site) -> None:
    proxy = Proxy(parse_url(site.server.url)).start()
    daemon = site.start_daemon("--processes", "2", JQ_REDIS_URL=proxy.url)
    workers = daemon.workers()
    proxy.weather.loss = 0.15
    jobs = site.send_many([("nap", 0.005)] * 400)
    _wait_for_all(site, jobs, 60)
    assert proxy.lost > 10
    assert _starts_per_job(site, jobs) == {1: 400}
    assert {job.info().executions for job in jobs} == {1}
    assert daemon.workers() == workers
    assert (site.status().done, site.status().active) == (400, 0)
    site.close()
    proxy.close()


def test_an_outage_longer_than_a_lease_runs_nothing_again(start_server: StartServer, site_on: SiteOn) -> None:
    server = start_server("valkey", *DURABLE)
    site = site_on(server)
    daemons = [site.start_daemon("--lease", "1", "--processes", "2") for _ in range(2)]
    workers = [daemon.workers() for daemon in daemons]
    jobs = [site.send("hold", str(site.gate())) for _ in range(4)]
    for job in jobs:
        site.wait_for_start(job)
    server.kill()
    gone = time.monotonic()
    eventually(lambda: time.monotonic() - gone > 2.5, what="more than two leases passed")
    server.restart()
    for daemon in daemons:
        daemon.wait_for_event("redis.back")
    site.gate().touch()
    _wait_for_all(site, jobs)
    assert _starts_per_job(site, jobs) == {1: 4}
    assert [daemon.workers() for daemon in daemons] == workers
    assert not any(daemon.events("lease.reaped") for daemon in daemons)


def test_a_redis_that_freezes_longer_than_a_lease_runs_nothing_again(
    start_server: StartServer, site_on: SiteOn
) -> None:
    server = start_server("valkey")
    site = site_on(server)
    daemon = site.start_daemon("--lease", "1", "--processes", "2")
    jobs = [site.send("hold", str(site.gate())) for _ in range(2)]
    for job in jobs:
        site.wait_for_start(job)
    os.kill(server.pid, signal.SIGSTOP)
    daemon.wait_for_event("redis.lost")
    frozen = time.monotonic()
    eventually(lambda: time.monotonic() - frozen > 2, what="two leases passed")
    os.kill(server.pid, signal.SIGCONT)
    daemon.wait_for_event("redis.back")
    site.gate().touch()
    _wait_for_all(site, jobs)
    assert _starts_per_job(site, jobs) == {1: 2}


def test_a_wrong_password_at_boot_ends_with_78_and_says_so(start_server: StartServer, site_on: SiteOn) -> None:
    server = start_server("valkey")
    server.call("CONFIG", "SET", "requirepass", "secret")
    site = site_on(server)
    for url in (f"unix://:wrong@{server.address}", server.url):
        daemon = site.start_daemon(wait=False, JQ_REDIS_URL=url)
        assert daemon.wait() == 78, daemon.log_text()
        said = daemon.events("daemon.refused")[0]["message"]
        assert "JQ_REDIS_URL" in said
        assert "wrong" not in said.replace("WRONGPASS", "")
        assert "secret" not in daemon.log_text()
    daemon = site.start_daemon(JQ_REDIS_URL=f"unix://:secret@{server.address}")
    # Later it is waited out: somebody is just changing it.
    server_words = ("AUTH", "secret"), ("CONFIG", "SET", "requirepass", "other"), ("CLIENT", "KILL", "TYPE", "normal")
    server.pipeline(server_words)
    daemon.wait_for_event("redis.refused", 2)
    assert {line.get("worker") is None for line in daemon.events("redis.refused")} == {True, False}, "all say it"
    assert all("check user and password" in line["hint"] for line in daemon.events("redis.refused"))
    assert daemon.process.poll() is None
    server.pipeline([("AUTH", "other"), ("CONFIG", "SET", "requirepass", "secret")])
    daemon.wait_for_event("redis.back")


def test_a_password_for_a_redis_that_has_none_is_refused_at_boot(start_server: StartServer, site_on: SiteOn) -> None:
    server = start_server("valkey")
    daemon = site_on(server).start_daemon(wait=False, JQ_REDIS_URL=f"unix://:secret@{server.address}")
    assert daemon.wait() == 78
    assert "without any password" in daemon.events("daemon.refused")[0]["message"]


def test_work_goes_on_after_flushall(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2", "--lease", "1.5")
    held = site.send("hold", str(site.gate()))
    site.wait_for_start(held)
    site.server.flush()
    site.gate().touch()
    daemon.wait_for_event("worker.fenced")
    jobs = site.send_many([("quick",)] * 20)
    _wait_for_all(site, jobs)
    assert held.state() is None


def test_scripts_flushed_under_load_are_sent_again(site: Site) -> None:
    site.start_daemon("--processes", "2")
    jobs = site.send_many([("nap", 0.005)] * 100)
    for _ in range(10):
        site.server.call("SCRIPT", "FLUSH")
    _wait_for_all(site, jobs)
    assert _starts_per_job(site, jobs) == {1: 100}


def _follows(replica: Server, primary: Server) -> bool:
    return b"master_link_status:up" in replica.call("INFO", "replication") and (
        replica.call("DBSIZE") == primary.call("DBSIZE")
    )  # fmt: skip


@pytest.mark.parametrize("is_busy", [True, False])
def test_a_primary_that_was_demoted_and_lives_on_holds_up_nobody(
    start_server: StartServer, site_on: SiteOn, is_busy: bool
) -> None:
    """Behind a forwarder that moves new connections only. The old primary goes on to answer reads, from the past."""
    old, new = start_server("redis", tcp=True), start_server("redis", tcp=True)
    host, port = old.address
    new.call("REPLICAOF", host, port)
    proxy = Proxy(parse_url(old.url)).start()
    site = site_on(old)
    app = App(redis_url=proxy.url)

    @app.job(queue="default", name="quick")
    def quick() -> None: ...

    kept = quick.options(keep="1h")

    async def produce() -> None:
        before = [kept.enqueue(), await kept.enqueue_async()]
        for job in before:
            await job.result_async(timeout=60)
        if is_busy:
            await kept.enqueue_async()
        eventually(lambda: _follows(new, old), what="the replica has it all")
        new.call("REPLICAOF", "NO", "ONE")
        old.call("REPLICAOF", "127.0.0.1", 1)
        proxy.move(parse_url(new.url))
        moved_s = time.monotonic()
        for job in (kept.enqueue(), await kept.enqueue_async()):
            await job.result_async(timeout=60)
        assert time.monotonic() - moved_s < 5

    async def produce_and_close() -> None:
        try:
            await produce()
        finally:
            await app.client.close_async()

    try:
        site.start_daemon("--processes", "2", JQ_REDIS_URL=proxy.url)
        asyncio.run(produce_and_close())
    finally:
        app.client.close()
        proxy.close()


@pytest.mark.parametrize("form", ["{}", "{}/3"])
def test_a_redis_cluster_ends_the_boot_with_78_and_is_named(
    start_server: StartServer, site_on: SiteOn, form: str
) -> None:
    server = start_server("redis", "--cluster-enabled", "yes", "--cluster-port", str(free_port()), tcp=True)
    server.call("CLUSTER", "ADDSLOTSRANGE", 0, 8000)
    daemon = site_on(server).start_daemon(wait=False, JQ_REDIS_URL=form.format(server.url))
    assert daemon.wait() == 78, daemon.log_text()
    said = daemon.events("daemon.refused") + daemon.events("daemon.unusable")
    assert "Redis Cluster" in str(said[0])
