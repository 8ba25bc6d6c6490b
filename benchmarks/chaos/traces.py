"""What jobs did, in files outside Redis: jobs write, the run reads.

A line is one write to a file opened for appending, so lines of several processes never mix, and what a process wrote
before it was killed is there.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from jqjobs import current_job

#: Tells workers where the files are.
VARIABLE = "CHAOS_TRACES"
_BEGUN, _TOKENS = "begun", "tokens"


def record_begin() -> None:
    """Note that the running attempt has begun."""
    job = current_job()
    assert job is not None
    _append(_BEGUN, f"{job.queue}/{job.id} {job.attempt}")


def record_token() -> None:
    """Hand the running job over: give its token to whoever answers."""
    job = current_job()
    assert job is not None
    _append(_TOKENS, f"{job.queue}/{job.id} {job.wait_token()}")


def _append(name: str, line: str) -> None:
    file = os.open(Path(os.environ[VARIABLE], name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


class Traces:
    """The reader's side."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: Counter[str] = Counter()

    def new_tokens(self) -> list[tuple[str, str]]:
        """Return jobs that were handed over since the last call, as (queue/id, token)."""
        return [_pair(line) for line in self._new_lines(_TOKENS)]

    def begun(self) -> Counter[tuple[str, str]]:
        """Return how often each attempt of each job began: (queue/id, attempt) → times."""
        return Counter(_pair(line) for line in self._new_lines(_BEGUN))

    def _new_lines(self, name: str) -> list[str]:
        path = self._directory / name
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read[name])
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read[name] += len(whole) + len(newline)
        return whole.decode().splitlines()


def _pair(line: str) -> tuple[str, str]:
    first, _, second = line.partition(" ")
    return first, second
