"""What a shell is told when somebody presses tab."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import jqjobs
from jqjobs.store.calls import daemons, leases, upkeep
from jqjobs.store.calls.schedules import plan
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

ROOT = str(Path(jqjobs.__file__).parents[1])


def completed(url: str, *words: str) -> list[str]:
    """What bash would offer for the last word."""
    line = ["jqctl", *words]
    environment = os.environ | {
        "PYTHONPATH": ROOT, "JQ_REDIS_URL": url, "_JQCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(line), "COMP_CWORD": str(len(words)),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "jqjobs.cli.jqctl"], env=environment, capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip
    assert done.stderr == ""
    return [offer.partition(",")[2] for offer in done.stdout.splitlines() if offer]


@pytest.fixture
def known(system: QueueSystem) -> QueueSystem:
    system.store.run(upkeep.add_queues(["emails", "reports"]))
    system.run(leases.publish("emails", 60_000, {"send_welcome": {"queue": "emails"}}))
    system.run(leases.publish("reports", 60_000, {"build": {"queue": "reports"}}))
    system.run(plan("reports", 60_000, "shop:app", {"nightly": "{}"}))
    system.run(daemons.register("d1", 60_000, {"name": "web-1", "queues": "emails"}, {}))
    return system


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (("status", "--queue", "em"), ["emails"]),
        (("queue", "pause", ""), ["emails", "reports"]),
        (("job", "list", "--queue", ""), ["emails", "reports"]),
        (("enqueue", "s"), ["send_welcome"]),
        (("tail", "--queue", "reports", "--name", ""), ["build"]),
        (("schedule", "run", "n"), ["nightly"]),
        (("daemon", "reload", "w"), ["web-1"]),
        (("completion", "z"), ["zsh"]),
        (("comp",), ["completion"]),
    ],
)
def test_names_come_from_redis(known: QueueSystem, words: tuple[str, ...], offers: list[str]) -> None:
    assert completed(known.url, *words) == offers


def test_without_redis_nothing_is_offered_and_nothing_is_said() -> None:
    assert completed("redis://127.0.0.1:1/0", "status", "--queue", "") == []


def test_a_redis_that_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began_s = time.monotonic()
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        assert completed(url, "status", "--queue", "") == []
        patient_s = time.monotonic() - began_s
        assert completed(url, "comp") == ["completion"]  # what a start takes by itself
    assert patient_s < time.monotonic() - began_s - patient_s + 3.0  # JQ_TIMEOUT would be 5


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_is_printed_is_understood_by_that_shell(terminal: Terminal, shell: str) -> None:
    assert terminal.run("completion", shell) == 0
    assert "_JQCTL_COMPLETE" in terminal.out
    if path := shutil.which(shell):
        subprocess.run([path, "-n"], input=terminal.out, text=True, check=True, timeout=60)
