"""The place of the boards is made anew, and what stands in the way of that is said once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.workers.lost_boards import LostBoards
from jqjobs.errors import ConfigError
from log_lines import Lines


def test_a_place_that_cannot_be_made_is_said_once_and_again_when_it_comes_back(
    logged: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a file system that is mounted read-only: it would be a line a second for as long as that lasts."""
    refusals = ["it is read-only", "it is read-only", "it is full", "", "it is full"]

    def make() -> Path:
        if refusal := refusals.pop(0):
            raise ConfigError(refusal)
        return Path("/")

    no_workers: Any = ()
    lost_boards = LostBoards(no_workers, make, lambda worker: None)
    for now_s in range(100, 100 + len(refusals)):
        monkeypatch.setattr(time, "monotonic", lambda now_s=now_s: float(now_s))
        lost_boards.look()
    assert not refusals
    errors = [line["error"] for line in logged.of("worker.not_started")]
    assert errors == ["it is read-only", "it is full", "it is full"]
