"""`jqctl doctor` on real daemons: what they tell of themselves and their host arrives, and faults are found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

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
