"""What selects jobs: moments and spans, as people and programs write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jqjobs.errors import InvalidName, InvalidOption
from jqjobs.jobs.selector import Selector, selector, since_ms

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2h", NOW_MS - 7_200_000), (60, NOW_MS - 60_000), (timedelta(days=1), NOW_MS - 86_400_000),
        ("1699999999000", 1_699_999_999_000), (1_699_999_999_000, 1_699_999_999_000),
        ("2023-11-14T22:13:20+00:00", NOW_MS), ("2023-11-14T22:13:20Z", NOW_MS),
        (datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), NOW_MS), ("90", NOW_MS - 90_000),
    ],
)  # fmt: skip
def test_since_is_a_moment_or_a_span_that_ends_now(value: Any, expected: int) -> None:
    assert since_ms(value, NOW_MS) == expected


@pytest.mark.parametrize("value", ["soon", "", True, 1e300, "2023-13-01", None])
def test_what_is_neither_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption):
        since_ms(value, NOW_MS)


def test_only_what_is_said_is_sent() -> None:
    assert Selector().wire("ready", None) == '{"state": "ready"}'
    said = selector(name="n", older_than="1m", since=1_699_999_999_000)
    assert said.wire("dead", 7) == (
        '{"state": "dead", "name": "n", "since_ms": 1699999999000, "older_ms": 60000, "until_ms": 7}'
    )


def test_a_name_that_no_job_can_have_is_refused() -> None:
    with pytest.raises(InvalidName):
        selector(name="a b")


@pytest.mark.parametrize("since", ["0001-01-01", "9" * 5000, datetime.min, "²"])
def test_what_is_no_moment_is_refused(since: Any) -> None:
    with pytest.raises(InvalidOption):
        since_ms(since)
