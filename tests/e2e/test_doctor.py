"""`jqctl doctor` on real daemons: what they tell of themselves and their host arrives, and faults are found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from e2e.daemon import Site
from waiting import eventually

Check = dict[str, str]


def jqctl(site: Site, *words: str) -> dict[str, Any]:
    """What a command says that knows, as the app's own container does, where the boards of this host lie."""
    environment = site._environment({"JQ_RUNTIME_DIR": str(site.directory / "boards")})
    command = [sys.executable, "-m", "jqjobs.cli.jqctl", *words, "--json"]
    done = subprocess.run(command, env=environment, cwd=site.directory, capture_output=True, timeout=60)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def look(site: Site, *words: str) -> dict[str, list[Check]]:
    """All findings, by check."""
    found: dict[str, list[Check]] = {}
    for check in jqctl(site, "doctor", *words)["checks"]:
        found.setdefault(check["id"], []).append(check)
    return found


def found(site: Site, check: str, level: str, said: str) -> Check:
    """Wait until a check has found something, one thing; return it."""

    def seen() -> Check:
        [one] = look(site)[check]
        assert (one["level"], said in one["message"]) == (level, True), one
        return one

    return eventually(seen, 60, f"{check}: {level}")


def test_a_sound_daemon_and_what_befalls_it(site: Site) -> None:
    daemon = site.start_daemon()
    found(site, "daemons.able", "ok", "1 daemon can take jobs")
    sound = look(site)
    assert {check["level"] for name, checks in sound.items() for check in checks
            if name.startswith(("queues.", "daemons."))} == {"ok"}, sound  # fmt: skip
    [told] = jqctl(site, "status")["daemons"]
    assert (told["app"], told["deaths"], told["host_facts"]["stop"]) == ("jobs:app", 0, "")
    assert told["host_facts"]["memory_bytes"] > 0
    assert told["host_facts"]["boards"].startswith(str(site.directory))

    os.kill(daemon.workers()[0], signal.SIGKILL)
    assert "worker.died" in found(site, "daemons.restarts", "warning", "1 worker died in the last hour")["hint"]

    daemon.wait_for_event("worker.ready", 2)
    daemon.send(signal.SIGUSR2)
    found(site, "daemons.able", "error", "it takes no jobs: it is quiet")

    [elsewhere] = look(site, "--prefix", "other")["daemons.redis"]
    assert (elsewhere["level"], elsewhere["message"]) == (
        "error",
        "no daemon, but 1 worker with another Redis or prefix",
    )
    assert "JQ_PREFIX" in elsewhere["hint"]


def test_a_daemon_that_is_frozen_is_found_before_its_leases_are_lost(site: Site) -> None:
    daemon = site.start_daemon("--lease", "12")
    found(site, "daemons.leases", "ok", "renewed in time")
    daemon.send(signal.SIGSTOP)
    try:
        assert "frozen" in found(site, "daemons.leases", "warning", "should have been renewed")["hint"]
    finally:
        daemon.send(signal.SIGCONT)


#: What supervisord answers of its programs, as far as it is read.
_PROGRAMS = b"""<?xml version='1.0'?><methodResponse><params><param><value><array><data><value><struct>
<member><name>group</name><value><string>jqd</string></value></member>
<member><name>name</name><value><string>jqd</string></value></member>
<member><name>stopwaitsecs</name><value><int>3</int></value></member>
</struct></value></data></array></value></param></params></methodResponse>"""


class _Supervisord(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(_PROGRAMS)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def supervisord() -> Iterator[str]:
    """Where something answers as a supervisord does that waits for three seconds."""
    with HTTPServer(("127.0.0.1", 0), _Supervisord) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_supervisor_that_does_not_wait_for_a_drain_is_named_from_anywhere(site: Site, supervisord: str) -> None:
    names = {"SUPERVISOR_PROCESS_NAME": "jqd", "SUPERVISOR_GROUP_NAME": "jqd"}
    site.start_daemon(SUPERVISOR_SERVER_URL=supervisord, **names)
    assert "set stopwaitsecs=" in found(site, "host.stop", "warning", "supervisord kills jqd 3 s after TERM")["hint"]
