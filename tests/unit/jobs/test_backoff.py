"""Delays between attempts, between tries of a lost Redis, between starts of a dying worker."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.base.clock import LONGEST_MS
from jqjobs.errors import InvalidOption
from jqjobs.jobs.backoff import Delays, Exponential, Fixed, backoff_of, published_delays, respawn_delay_s
from jqjobs.jobs.records import DEFAULT_MAX_ATTEMPTS

RNG = random.Random(1)


@given(failures=st.integers(-1, 10_000), seed=st.integers(0, 1000))
def test_an_exponential_delay_stays_within_its_curve_and_its_cap(failures: int, seed: int) -> None:
    delay = Exponential(base=2, factor=3, cap="10m").delay_ms(failures, random.Random(seed))
    assert 0 <= delay <= min(600_000, 2000 * 3 ** min(max(failures, 1) - 1, 100))


def test_jitter_uses_the_whole_upper_half() -> None:
    rule, rng = Exponential(base=10, factor=1), random.Random(7)
    delays = [rule.delay_ms(1, rng) for _ in range(1000)]
    assert 5000 <= min(delays) < 5250 < 9750 < max(delays) <= 10_000
    assert 7250 < sum(delays) / 1000 < 7750


@given(seed=st.integers(0, 1000))
def test_by_default_a_job_outlasts_an_outage_of_two_hours_and_is_dead_within_four(seed: int) -> None:
    rule, rng = backoff_of(None), random.Random(seed)
    waits_h = sum(rule.delay_ms(nth, rng) for nth in range(1, DEFAULT_MAX_ATTEMPTS)) / 3_600_000
    assert 2 <= waits_h <= 4.02


def test_what_is_published_of_a_rule_is_its_upper_curve_up_to_where_it_repeats() -> None:
    assert published_delays(Exponential(base=1, factor=10, cap="1m")) == [1000, 10_000, 60_000]
    assert published_delays(Delays((1, 2, 2))) == [1000, 2000]
    assert published_delays(Fixed(3)) == [3000]


def test_nothing_is_published_of_the_default_which_the_scripts_know_and_of_a_rule_that_raises() -> None:
    class Broken:
        def delay_ms(self, failures: int, rng: random.Random) -> int:
            raise ZeroDivisionError

    assert published_delays(Exponential()) == published_delays(Broken()) == []


def test_a_rule_of_ones_own_is_published_within_bounds() -> None:
    class Wild:
        def delay_ms(self, failures: int, rng: random.Random) -> int:
            return -1 if failures == 1 else 10**20

    assert published_delays(Wild()) == [0, LONGEST_MS]


def test_without_jitter_it_takes_the_upper_end() -> None:
    rule = Exponential(base=1, factor=2, cap=10, jitter=False)
    assert [rule.delay_ms(failures, RNG) for failures in (0, 1, 2, 3, 4, 5, 99)] == [
        1000,
        1000,
        2000,
        4000,
        8000,
        10_000,
        10_000,
    ]


@pytest.mark.parametrize("factor", [1e6, 1e300])
def test_a_huge_factor_ends_at_the_cap(factor: float) -> None:
    assert Exponential(base=1, factor=factor, cap="1h", jitter=False).delay_ms(1000, RNG) == 3_600_000


@pytest.mark.parametrize(
    "options",
    [{"factor": 0.5}, {"factor": float("nan")}, {"factor": float("inf")}, {"base": "soon"}, {"cap": float("inf")}],
    ids=str,
)
def test_a_rule_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        Exponential(**options)


def test_a_list_of_delays_repeats_its_last() -> None:
    rule = Delays((1, "2s", timedelta(seconds=3)))
    assert [rule.delay_ms(failures, RNG) for failures in (0, 1, 2, 3, 4, 1000)] == [1000, 1000, 2000, 3000, 3000, 3000]


@pytest.mark.parametrize(
    ("value", "rule"),
    [(None, Exponential()), (5, Fixed(5)), ("1m", Fixed("1m")), ([1, 2], Delays((1, 2))), (Fixed(1), Fixed(1))],
    ids=repr,
)
def test_what_backoff_means(value: Any, rule: object) -> None:
    assert backoff_of(value) == rule


def test_any_object_with_delay_ms_is_a_rule() -> None:
    class Mine:
        def delay_ms(self, failures: int, rng: random.Random) -> int:
            return failures

    mine = Mine()
    assert backoff_of(mine) is mine


@pytest.mark.parametrize("value", [[], ["soon"], "soon", float("nan"), object], ids=repr)
def test_what_is_no_backoff_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption):
        backoff_of(value)


def test_the_first_early_death_costs_nothing_and_later_ones_more_and_more() -> None:
    delays = [respawn_delay_s(short_lives) for short_lives in range(100)]
    assert delays[:3] == [0, 0, 0.25]
    assert all(later >= earlier for earlier, later in pairwise(delays))
    assert delays[-1] == 30
