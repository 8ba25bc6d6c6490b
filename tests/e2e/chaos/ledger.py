"""What jobs have done, in a file outside Redis: one line for each effect. Jobs write it, tests read it.

A line is one write(2) to a file opened for appending, so lines of several processes never mix, and what a
process wrote before it was killed is there.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from jqjobs import current_job
from jqjobs.base.clock import monotonic_ms

#: Tells the workers which file it is.
VARIABLE = "CHAOS_LEDGER"


@dataclass(frozen=True)
class Effect:
    """One line. ``at_ms``: since boot."""

    job_id: str
    attempt: int
    pid: int
    at_ms: int
    what: str


def record(what: str) -> None:
    """Note that the running job did something; called inside jobs."""
    job = current_job()
    assert job is not None
    line = f"{job.id} {job.attempt} {os.getpid()} {monotonic_ms()} {what}\n"
    file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        assert os.write(file, line.encode()) == len(line)
    finally:
        os.close(file)


class Ledger:
    """The reader's side."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.path = path
        self._read_bytes = 0
        self._effects: list[Effect] = []

    def effects(self) -> list[Effect]:
        """Return all effects so far, in the order they were written."""
        with self.path.open("rb") as file:
            file.seek(self._read_bytes)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(newline)
        self._effects += [_parse(line) for line in whole.decode().splitlines()]
        return self._effects

    def begun(self, job_id: str) -> list[Effect]:
        """Return the beginnings of one job's executions."""
        return [effect for effect in self.effects() if effect.job_id == job_id and effect.what == "begin"]

    def count(self) -> int:
        """Return how many effects there are."""
        return len(self.effects())

    def per_job(self) -> Counter[str]:
        """Return how often each job began."""
        return Counter(effect.job_id for effect in self.effects() if effect.what == "begin")


def _parse(line: str) -> Effect:
    job_id, attempt, pid, at_ms, what = line.split()
    return Effect(job_id, int(attempt), int(pid), int(at_ms), what)
