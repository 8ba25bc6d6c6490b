"""The producer of a subject, in a process of its subject's environment: see peers/produce.py for what it obeys."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from envs import Environment
from stage import HERE


class Producer:
    """Gives orders to the process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def enqueue(self, job: str, count: int, *, one_by_one: bool = False) -> float:
        """Enqueue a job with the indexes 0 to count; return the seconds it took."""
        return float(self._ask({"do": "one" if one_by_one else "many", "job": job, "count": count}))

    def idle(self, count: int, most_s: float) -> list[float]:
        """Enqueue no-op jobs one at a time into an idle system; return ms from before each call until the job ran."""
        return [took_ns / 1e6 for took_ns in self._ask({"do": "idle", "count": count, "most_s": most_s})]

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the producer ended: {tail(self._log)}")
        return json.loads(answer)


@contextmanager
def producer(command: str, environment: Environment, more: Mapping[str, str], log: Path) -> Iterator[Producer]:
    """Run the producer of a subject: a program of its environment and its arguments."""
    program, *arguments = command.split()
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [environment.program(program), *arguments], cwd=HERE, env={**os.environ, **more},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    try:
        yield Producer(process, log)
    finally:
        process.kill()
        process.communicate()


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return log.read_text("utf-8", "replace")[-1500:].strip()
