"""Fixtures of what daemon and worker share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.link.board import Board


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """A new board, under no lease."""
    made = Board.create(tmp_path / "w.board")
    yield made
    made.close()
