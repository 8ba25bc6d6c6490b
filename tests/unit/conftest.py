"""Fixtures of the unit tests: a staff of workers without processes, the lines that are logged, a clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.staff import Clock, Lines, Staff


@pytest.fixture
def staff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Staff]:
    """A crew that starts no processes."""
    hired = Staff(tmp_path)
    monkeypatch.setattr("jqjobs.daemon.crew.spawn", hired.spawn)
    yield hired
    hired.close()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """The lines that are logged; nothing is written."""
    lines = Lines()

    def event(name: str, /, **fields: Any) -> None:
        lines.append({"event": name, **fields})

    monkeypatch.setattr("jqjobs.log.event", event)
    return lines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The monotonic clock, standing still; not for tests that wait for something."""
    stopped = Clock()
    monkeypatch.setattr("time.monotonic", stopped)
    return stopped
