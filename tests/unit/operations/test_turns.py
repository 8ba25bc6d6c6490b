"""Of very many queues a part is counted at each look, and none is left out for long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.operations import turns
from jqjobs.operations.turns import OLDEST_MS, in_turn

NAMES = [f"q{n:02}" for n in range(20)]


def counted(now_ms: int, *names: str) -> dict[str, Any]:
    return {name: SimpleNamespace(now_ms=now_ms) for name in names}


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LEAST", 3)


def test_each_is_counted_once_in_four_looks() -> None:
    before, looks = counted(0, *NAMES), []
    for now_ms in (1000, 2000, 3000, 4000):
        looks.append(in_turn(NAMES, before, now_ms))
        before |= counted(now_ms, *looks[-1])
    assert [len(look) for look in looks] == [5, 5, 5, 5]
    assert set().union(*looks) == set(NAMES)


def test_what_was_never_counted_or_too_long_ago_is_counted_however_many_there_are() -> None:
    assert in_turn(NAMES, {}, 1000) == set(NAMES)
    assert in_turn(NAMES, counted(1000, *NAMES), 1000 + OLDEST_MS + 1) == set(NAMES)
    assert len(in_turn(NAMES, counted(1000, *NAMES), 1000 + OLDEST_MS)) == 5


def test_few_are_all_counted_each_time() -> None:
    assert in_turn(NAMES[:3], counted(1000, *NAMES), 1000) == set(NAMES[:3])
