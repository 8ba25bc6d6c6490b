"""A daemon with `embedded:` owns its Valkey: also when it is replaced by a new image of itself, and when it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from e2e.daemon import Daemon, Site, is_running
from jqjobs.api.client import Client
from jqjobs.embedded import socket_url
from jqjobs.jobs.records import State
from servers import kill_embedded, require

URL = "embedded:data"


@pytest.fixture
def own(site: Site) -> Iterator[Site]:
    """A site whose jobs go to the embedded server of its directory."""
    require("valkey")
    url = socket_url(URL, site.directory)
    client = Client(url)
    site.__dict__["client"] = client  # what the cached property would make
    yield site
    site.close()
    kill_embedded(site.directory / "data")  # that of a killed daemon lives on


def start(site: Site) -> Daemon:
    return site.start_daemon("--redis", URL, "--watch", "poll")


def server_of(daemon: Daemon) -> int:
    """Return the pid of its server."""
    [pid] = [child.pid for child in psutil.Process(daemon.pid).children() if "valkey" in child.name()]
    return pid


def add_setting(directory: Path) -> None:
    """Change a setting, so that the daemon executes itself anew."""
    (directory / ".env").write_text("JQ_MAX_JOBS=1000\n")


def test_replaced_by_a_new_image_it_starts_its_server_anew_and_loses_no_job(own: Site) -> None:
    daemon = start(own)
    own.wait_for(own.send("quick"), State.KEPT)
    running, waiting = own.send("hold", str(own.gate())), own.send("quick", delay="4s")
    own.wait_for_start(running)
    server, pid = server_of(daemon), daemon.pid
    add_setting(own.directory)
    daemon.wait_for_event("daemon.replacing")
    own.gate().touch()
    daemon.wait_for_event("daemon.started", 2)
    daemon.wait_for_event("worker.ready", 2)
    assert daemon.pid == pid
    assert server_of(daemon) != server
    assert not is_running(server), "no two servers write one file"
    info = own.wait_for(running, State.KEPT)
    assert (info.executions, info.interrupts) == (1, 0)
    own.wait_for(waiting, State.KEPT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_its_server_ends_with_it_and_after_its_last_word(own: Site, number: signal.Signals) -> None:
    daemon = start(own)
    server = server_of(daemon)
    job = own.send("hold", str(own.gate()))
    own.wait_for_start(job)
    daemon.send(number)
    daemon.wait_for_event("signal")
    assert is_running(server)
    own.gate().touch()
    assert daemon.wait() == 0
    assert not is_running(server)
    assert not daemon.events("daemon.unburied"), "what ran was reported before the server ended"
    start(own)
    assert own.wait_for(job, State.KEPT).executions == 1


def test_a_killed_daemon_leaves_a_server_that_the_next_one_uses_and_ends(own: Site) -> None:
    daemon = start(own)
    server = server_of(daemon)
    job = own.send("hold", str(own.gate()))
    own.wait_for_start(job)
    daemon.kill()
    successor = start(own)
    own.gate().touch()
    assert own.wait_for(job, State.KEPT).executions == 2
    assert is_running(server)
    successor.send(signal.SIGTERM)
    assert successor.wait() == 0
    assert not is_running(server), "nothing is left when the last daemon has ended"
