"""Fixtures of the tests about memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.daemon.memory.memory_host import Host


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    made = Host(tmp_path, monkeypatch)
    yield made
    made.close()
