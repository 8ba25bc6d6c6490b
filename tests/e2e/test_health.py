"""--health of a real daemon: what probes are told while Redis, workers and the daemon itself come and go."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from typing import Any

from e2e.daemon import Site
from jqjobs.jobs.records import State
from jqjobs.link.exits import DaemonExit
from servers import Server
from waiting import eventually


class Probe:
    """Asks a daemon at a unix socket."""

    def __init__(self, site: Site) -> None:
        self._path = str(site.directory / "health")
        self.flags = ("--health", f"unix:{self._path}")

    def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(self._path)
            sock.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            with sock.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def wait_for(self, livez: int, readyz: int, state: str) -> None:
        """Wait until both say so."""

        def seen() -> bool:
            live, ready = self.ask("/livez"), self.ask("/readyz")
            assert (live[0], ready[0], ready[1]["state"]) == (livez, readyz, state), (live, ready)
            return True

        eventually(seen)


def test_a_daemon_at_work_is_live_and_ready(site: Site) -> None:
    probe = Probe(site)
    site.start_daemon("--processes", "2", *probe.flags)
    probe.wait_for(200, 200, "running")
    assert probe.ask("/readyz")[1]["checks"]["workers"] == {"ok": True, "ready": 2, "wanted": 2}


def test_redis_down_fails_readiness_until_it_is_back_and_never_liveness(
    site_on: Callable[[Server], Site], start_server: Callable[..., Server]
) -> None:
    server = start_server("redis", "--appendonly", "yes")
    site = site_on(server)
    probe = Probe(site)
    site.start_daemon(*probe.flags)
    probe.wait_for(200, 200, "running")
    server.kill()
    probe.wait_for(200, 503, "waiting_redis")
    assert "cannot be reached" in probe.ask("/readyz")[1]["checks"]["redis"]["error"]
    server.restart()
    probe.wait_for(200, 200, "running")


def test_a_daemon_that_is_quiet_or_drains_is_live_and_not_ready(site: Site) -> None:
    probe = Probe(site)
    daemon = site.start_daemon(*probe.flags)
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    daemon.send(signal.SIGUSR2)
    probe.wait_for(200, 503, "quiet")
    daemon.send(signal.SIGCONT)
    probe.wait_for(200, 200, "running")
    daemon.send(signal.SIGTERM)
    probe.wait_for(200, 503, "draining")
    site.gate().touch()
    assert daemon.wait() == 0
    site.wait_for(job, State.KEPT)
    assert not (site.directory / "health").exists()


def test_an_address_that_another_daemon_has_is_a_configuration_error(site: Site) -> None:
    probe = Probe(site)
    site.start_daemon(*probe.flags)
    site.tolerates_defects = True  # the line below is no JSON
    second = site.start_daemon(*probe.flags, wait=False)
    assert second.wait() == DaemonExit.CONFIGURATION
    assert f"cannot listen on --health {probe.flags[1]}: Address already in use" in second.log_text()
    assert not second.events("worker.started")
    probe.wait_for(200, 200, "running")


def test_the_next_daemon_gets_the_socket_that_a_killed_one_left(site: Site) -> None:
    probe = Probe(site)
    site.start_daemon(*probe.flags).kill()
    site.start_daemon(*probe.flags)
    probe.wait_for(200, 200, "running")
