"""Durations people write, and ages people read."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.base.clock import LONGEST_MS, Duration, duration_ms, format_age, monotonic_ms, span_text
from jqjobs.errors import InvalidOption


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (0, 0),
        (1, 1000),
        (0.25, 250),
        (1e-9, 0),
        ("90", 90_000),
        ("1.5", 1500),
        ("250ms", 250),
        ("90s", 90_000),
        ("1.5m", 90_000),
        ("1h30m", 5_400_000),
        ("2d", 172_800_000),
        ("1w", 604_800_000),
        (timedelta(minutes=2, milliseconds=5), 120_005),
        (timedelta.max / 10**6, int(timedelta.max.total_seconds() / 1000)),
    ],
)
def test_a_duration_is_seconds_or_text_or_a_timedelta(value: object, ms: int) -> None:
    assert duration_ms(value) == ms


@pytest.mark.parametrize("value", [-1, -0.5, "-3", timedelta(days=-1), timedelta.min])
def test_a_negative_duration_means_now(value: Duration) -> None:
    assert duration_ms(value) == 0


@pytest.mark.parametrize(
    "value",
    [
        math.nan, math.inf, -math.inf, 10**400, -(10**18), "nan", "inf", "", " ", "1h ", "m5", "10x", "1e3",
        "0x10", "٣s", "1_000",
        "5M", None, True, [], b"5s", "9" * 400, "9" * 400 + "s", timedelta.max, LONGEST_MS / 1000 + 1,
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_what_is_no_sensible_duration_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidOption, match="delay"):
        duration_ms(value, "delay")


@given(st.integers(0, LONGEST_MS))
def test_milliseconds_come_through_exactly(ms: int) -> None:
    assert duration_ms(f"{ms}ms") == ms
    assert duration_ms(timedelta(milliseconds=ms)) == pytest.approx(ms, abs=1)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0ms"), (0, "0ms"), (0.85, "850ms"), (1, "1s"), (59.9, "59s"), (60, "1m00s"), (185, "3m05s"),
        (7800, "2h10m"), (86_400, "1d00h"), (356_400, "4d03h"),
    ],
)  # fmt: skip
def test_ages_are_short(seconds: float, shown: str) -> None:
    assert format_age(seconds) == shown


@pytest.mark.parametrize(
    ("ms", "shown"), [(1, "1ms"), (1500, "1500ms"), (90_000, "90s"), (7_200_000, "2h"), (172_800_000, "2d"), (0, "0w")]
)
def test_a_span_is_shown_as_it_is_read(ms: int, shown: str) -> None:
    assert span_text(ms) == shown
    assert duration_ms(span_text(ms)) == ms


def test_the_clock_counts_up_in_milliseconds() -> None:
    first = monotonic_ms()
    assert first > 0
    assert 0 <= monotonic_ms() - first < 60_000
