"""The relay of an outbox beside the workers of a real daemon; and a producer that knows no Redis at all."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

import pytest

from e2e.daemon import Daemon, Site, is_running
from jqjobs import App, Job
from jqjobs.cli import jqctl
from jqjobs.outbox import Outbox
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.reads.relays import RelayInfo
from servers import kill_embedded
from waiting import eventually

_APP = """
import sqlite3
from jqjobs import App
from jqjobs.outbox import Outbox

app = App()

@app.job(keep="1h")
def double(number: int) -> int:
    return 2 * number
"""
_OUTBOX = """
Outbox(app, lambda: sqlite3.connect("shop.sqlite3"))
"""


@contextmanager
def producer(site: Site) -> Iterator[Job[[int], int]]:
    """The job of the app as a producer has it; the outbox has its table."""
    app = App(redis_url=site.server.url)
    outbox = Outbox(app, partial(sqlite3.connect, site.directory / "shop.sqlite3"))
    outbox.migrate()
    outbox.database.close()

    @app.job(keep="1h")
    def double(number: int) -> int:
        raise NotImplementedError

    yield double
    app.client.close()


def relay_of(daemon: Daemon, nth: int) -> int:
    """Wait for the nth relay of a daemon; return its pid."""
    return int(daemon.wait_for_event("outbox.started", nth)["pid"])


def told_of_relay(job: Job[[int], int]) -> RelayInfo | None:
    """What the daemon tells of its relay, once that has counted."""
    with job._engine().store() as store:  # type: ignore[attr-defined]
        told = [daemon.outbox for daemon in read_registry(store).daemons]
    return next((relay for relay in told if relay and relay.rows is not None), None)


def test_a_relay_runs_beside_the_workers_is_replaced_and_ends_with_them(site: Site) -> None:
    def goes_through(number: int) -> None:
        with closing(sqlite3.connect(site.directory / "shop.sqlite3")) as connection:
            job = double.options(outbox=connection).enqueue(number)
            connection.commit()
        eventually(lambda: job.state() == "kept", what="a job that a relay has brought")
        assert job.result() == 2 * number

    with producer(site) as double:
        daemon = site.start_daemon("--app", site.write_app("shop", _APP + _OUTBOX))
        killed = relay_of(daemon, 1)
        goes_through(1)
        relay = eventually(lambda: told_of_relay(double), what="a relay that has counted its rows")
        assert (relay.state, relay.pid, relay.rows) == ("running", killed, 0)
        os.kill(killed, signal.SIGKILL)
        old = relay_of(daemon, 2)
        goes_through(2)
        daemon.send(signal.SIGHUP)
        new = relay_of(daemon, 3)
        goes_through(3)
    assert not is_running(old), "a deploy replaces it"
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    assert not is_running(new)
    assert [line["pid"] for line in daemon.events("outbox.died")] == [killed]


def test_jobs_of_a_producer_that_knows_no_redis_run_on_an_embedded_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place, url = site.directory / "valkey", f"sqlite:///{site.directory}/shop.sqlite3"
    monkeypatch.setenv("JQ_ENGINE", "database")
    monkeypatch.setenv("JQ_DATABASE_URL", url)
    monkeypatch.setenv("JQ_REDIS_URL", f"embedded:{place}")
    app = App()

    @app.job(keep="1h")
    def double(number: int) -> int:
        raise NotImplementedError

    site_app = site.write_app("shop", _APP)
    assert jqctl.run(["outbox", "migrate"]) == 0
    job = double.enqueue(21)
    assert (job.state(), jqctl.run(["outbox", "status"])) == ("outbox", 0)
    assert "1 row waiting" in capsys.readouterr().out
    try:
        site.start_daemon("--app", site_app, JQ_REDIS_URL=f"embedded:{place}", JQ_DATABASE_URL=url)
        assert job.result(timeout=60) == 42
    finally:
        site.close()
        kill_embedded(place)
        app.client.close()
        app.registry.outbox.database.close()
