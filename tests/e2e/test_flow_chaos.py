"""The campaign of batches and chains (`make flow-chaos`, benchmarks/flow_chaos): a short one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("chaos")
ROOT = Path(__file__).parents[2]
#: What it does in some seconds takes a slow machine, with other tests beside this one, so much longer.
TIMEOUT_S = 600


def test_batches_and_chains_keep_their_promises_while_workers_are_killed() -> None:
    path = os.pathsep.join(str(ROOT / part) for part in ("benchmarks", "tests"))
    words = [
        "--kills",
        "12",
        "--batches",
        "4",
        "--chains",
        "6",
        "--bystanders",
        "10",
        "--seed",
        "7",
        "--minutes",
        "0.5",
    ]
    campaign = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "flow_chaos.run", *words], env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip

    assert campaign.returncode == 0, campaign.stdout + campaign.stderr
    found = json.loads(campaign.stdout)
    assert (found["batches"], found["always"], found["chains"], found["wrong"]) == (4, 4, 6, 0)
    assert found["killed"]["workers"] > 0
    assert found["left"] == []
