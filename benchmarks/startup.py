"""Start-up: how long until a worker is ready, and what a look from the command line costs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from figures import Figure
from stage import HERE, Stage, daemon, rate

NAME = "startup"


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield seconds from worker.started to worker.ready, from the start of jqd, and of two commands of jqctl."""
    pairs = [_start() for _ in range(stage.repeats)]
    yield Figure(NAME, "worker, start to ready", "s", tuple(worker for worker, _ in pairs), target="< 0.35")
    yield Figure(NAME, "jqd, start to a ready worker", "s", tuple(whole for _, whole in pairs))
    with daemon():
        for command in ("ping", "status"):
            yield Figure(NAME, f"jqctl {command}", "s", tuple(_jqctl_s(command) for _ in range(stage.repeats)))
    seconds = tuple(1 / rate(1, lambda: subprocess.run([sys.executable, "-c", "pass"])) for _ in range(stage.repeats))
    yield Figure(NAME, "python -c pass, beside them", "s", seconds)


def _jqctl_s(command: str) -> float:
    words = [sys.executable, "-m", "jqjobs.cli.jqctl", command]
    return 1 / rate(1, lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL))


def _start() -> tuple[float, float]:
    command = [sys.executable, "-m", "jqjobs.cli.jqd", "--app", "jobs:app", "--processes", "1", "--jitter", "0"]
    before = time.monotonic()
    process = subprocess.Popen(command, cwd=HERE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    moments: dict[str, float] = {}
    for line in process.stderr:
        for event in ("worker.started", "worker.ready"):
            if event in line:
                moments[event] = time.monotonic()
        if "worker.ready" in moments:
            break
    process.terminate()
    process.stderr.close()
    process.wait()
    return moments["worker.ready"] - moments["worker.started"], moments["worker.ready"] - before
