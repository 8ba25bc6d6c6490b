"""When Redis is full, at the growth of the last hour."""

from __future__ import annotations

import pytest

from jqjobs.store.reads.memory import RedisMemory, growth_per_s

HOUR = [(minute, 1_000_000 + 60_000 * minute) for minute in range(60)]


def test_a_steady_growth_is_found_as_it_is() -> None:
    assert growth_per_s(HOUR) == pytest.approx(1000)


def test_no_single_sample_decides() -> None:
    *others, (minute, used) = HOUR
    assert growth_per_s([*others, (minute, used + 600_000)]) == pytest.approx(1000, rel=0.2)


def test_less_than_ten_minutes_are_no_trend() -> None:
    assert [growth_per_s(HOUR[:count]) is None for count in (0, 1, 10, 11)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("memory", "full_in_s"),
    [
        (RedisMemory(4_000, 10_000, True, 2.0), 3000),
        (RedisMemory(12_000, 10_000, True, 2.0), 0),
        (RedisMemory(4_000, 10_000, True, -2.0), None),
        (RedisMemory(4_000, 10_000, True, None), None),
        (RedisMemory(4_000, 0, False, 2.0), None),
    ],
)
def test_it_is_full_when_what_is_left_has_grown_over(memory: RedisMemory, full_in_s: float | None) -> None:
    assert memory.full_in_s == full_in_s
