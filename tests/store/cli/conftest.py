"""Fixtures of the commands: a system on one real server, and a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import Server
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem


@pytest.fixture
def system(any_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[QueueSystem]:
    """One quick real server by its own clock, since that is what jqctl reads."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JQ_REDIS_URL", raising=False)
    made = QueueSystem(any_server.url)
    made.store._now_ms = None
    yield made
    made.store.close()


@pytest.fixture
def terminal(system: QueueSystem, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(system.url, capsys)
