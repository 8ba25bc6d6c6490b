"""The campaign itself (`make chaos`, benchmarks/chaos): half a minute of it, and what an interrupt leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from servers import require_program
from waiting import eventually

pytestmark = pytest.mark.xdist_group("chaos")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
#: A slow machine, with other tests beside this one, takes so many times longer.
PATIENCE = 4
#: The storm, thrice as long to drain, and to judge.
TIMEOUT_S = 900


def start(*words: str) -> subprocess.Popen[str]:
    require_program("redis-server")
    return subprocess.Popen(
        [sys.executable, "-m", "chaos.run", "--patience", str(PATIENCE), "--rate", "8", *words],
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_half_a_minute_of_chaos_breaks_no_rule() -> None:
    campaign = start("--minutes", "0.5", "--seed", "7")
    try:
        said, _ = campaign.communicate(timeout=TIMEOUT_S)
    finally:
        campaign.kill()
    assert campaign.returncode == 0, said
    assert re.search(r"^violations +0$", said, re.MULTILINE), said
    made = re.search(r"^jobs +(\d+) made, (\d+) succeeded", said, re.MULTILINE)
    assert made, said
    assert int(made[2]) > 100, said


def test_a_campaign_that_is_interrupted_leaves_no_process_behind() -> None:
    campaign = start("--minutes", "10", "--seed", "7")
    try:
        itself = psutil.Process(campaign.pid)
        eventually(lambda: len(itself.children(recursive=True)) > 6, 60, "Redis, daemons and workers")
        below = itself.children(recursive=True)
        campaign.send_signal(signal.SIGINT)
        said, _ = campaign.communicate(timeout=180)
    finally:
        campaign.kill()
    assert campaign.returncode != 0
    assert "broken off" in said
    eventually(lambda: not any(process.is_running() for process in below), what="all of them gone")
