"""Buckets of durations, and what can be said of many durations by their buckets."""

from __future__ import annotations

import pytest

from jqjobs.jobs.statistics import BOUNDS_MS, BUCKETS, bucket_of, percentile_ms


def test_bounds_double_from_5_ms_until_an_hour_is_within() -> None:
    assert BOUNDS_MS[:4] == (5, 10, 20, 40)
    assert BOUNDS_MS[-2] < 3_600_000 < BOUNDS_MS[-1]


@pytest.mark.parametrize("bucket", range(BUCKETS - 1))
def test_a_duration_is_in_the_first_bucket_whose_bound_is_above_it(bucket: int) -> None:
    assert bucket_of(BOUNDS_MS[bucket] - 1) == bucket
    assert bucket_of(BOUNDS_MS[bucket]) == bucket + 1


def test_what_takes_longer_than_any_bound_is_in_the_last_bucket() -> None:
    assert bucket_of(0) == 0
    assert bucket_of(10**15) == BUCKETS - 1


def test_a_percentile_is_the_bound_under_which_that_share_lies() -> None:
    counts = [90, 5, 4, *[0] * (BUCKETS - 4), 1]
    assert [percentile_ms(counts, share) for share in (0.5, 0.9, 0.95, 0.96, 0.99)] == [5, 5, 10, 20, 20]
    assert percentile_ms(counts, 1) == BOUNDS_MS[-1], "of the longest only this is known"
    assert percentile_ms([0] * BUCKETS, 0.5) is None
