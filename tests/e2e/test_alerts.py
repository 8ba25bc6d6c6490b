"""Alerts of a real daemon, told to a line of shell."""

from __future__ import annotations

import json
import signal
from typing import Any

from e2e.daemon import Site
from waiting import eventually


def test_a_line_of_shell_hears_what_is_wrong_and_each_once(site: Site) -> None:
    told = site.directory / "told"
    told.touch()

    def heard() -> list[dict[str, Any]]:
        return [json.loads(line) for line in told.read_text().splitlines(keepends=True) if line.endswith("\n")]

    daemon = site.start_daemon("--alert-exec", f"(cat; echo) >> {told}", "--alert-wait", "1s", "--name", "shop")
    waits = site.send("quick", queue="nobody")
    [alert] = eventually(heard, 60, "it is told of the queue that waits, by a look each 15 s")
    assert (alert["v"], alert["kind"], alert["queue"], alert["daemon"]) == (1, "waits", "nobody", "shop")
    assert alert["message"].startswith("jobs of nobody wait: 1 are ready, the oldest for ")

    site.send("sys_exit", max_attempts=1)
    eventually(lambda: len(heard()) > 1, 60, "it is told of the death")
    waits.delete()
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    assert [(alert["kind"], alert["queue"]) for alert in heard()] == [("waits", "nobody"), ("died", "default")]
    assert heard()[1]["message"].startswith("1 job of default died; the last one: sys_exit: ")
