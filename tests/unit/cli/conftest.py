"""Fixtures of the commands without a Redis."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty directory, and a Redis that is not there."""
    monkeypatch.setenv("JQ_REDIS_URL", f"unix://{tmp_path}/nothing.sock")
    monkeypatch.chdir(tmp_path)
