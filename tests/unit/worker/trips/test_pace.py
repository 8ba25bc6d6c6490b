"""How many jobs a worker may have in hand."""

from __future__ import annotations

from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.link.board_layout import PLACES
from jqjobs.worker.trips.pace import OneSlotPace, Pace, SlotsPace, next_want

P = TypeVar("P", bound=Pace)


def settled(pace: P, average_ms: float) -> P:
    """Let it see many jobs of that length, and decide."""
    for _ in range(40):
        pace.note(10, 10 * average_ms)
        pace.adapt(64)
    return pace


def test_slots_are_filled_at_once_and_nothing_is_in_hand_beyond_them() -> None:
    assert (SlotsPace(100, 20).most_in_hand, SlotsPace(100, 20).low) == (100, 0)


def test_beyond_what_runs_some_milliseconds_of_work_for_all_slots_are_in_hand() -> None:
    pace = settled(SlotsPace(100, 20), 9.99)
    assert (pace.most_in_hand, pace.low) == (100 + 200, 66)


@pytest.mark.parametrize(
    ("slots", "average_ms", "ahead"), [(10, 1000, 0), (4, 50, 0), (4, 19, 4), (2, 19, 2), (10, 49, 4), (100, 300, 6)]
)
def test_long_jobs_are_in_hand_ahead_only_where_slots_become_free_all_the_time(
    slots: int, average_ms: float, ahead: int
) -> None:
    assert settled(SlotsPace(slots, 20), average_ms).most_in_hand == slots + ahead


def test_without_prefetch_only_slots_count() -> None:
    pace = settled(SlotsPace(10, 0), 0.1)
    assert (pace.most_in_hand, pace.low) == (10, 0)


def test_what_is_in_hand_ahead_grows_slowly_and_shrinks_at_once() -> None:
    pace = SlotsPace(10, 20)
    seen = []
    for _ in range(5):
        pace.note(100, 10)
        pace.adapt(64)
        seen.append(pace.most_in_hand - 10)
    assert seen == [2, 4, 8, 16, 32]
    for _ in range(30):
        pace.note(1, 10_000)
    pace.adapt(64)
    assert pace.most_in_hand == 10


def test_one_slot_has_its_next_jobs_in_hand_and_one_at_least() -> None:
    assert OneSlotPace(20, 64).most_in_hand == 1
    assert settled(OneSlotPace(20, 64), 4.99).most_in_hand == 1 + 4
    assert settled(OneSlotPace(20, 64), 19.99).most_in_hand == 1 + 1
    assert settled(OneSlotPace(20, 64), 20.01).most_in_hand == 1
    assert settled(OneSlotPace(20, 64), 0.01).most_in_hand == 64
    assert settled(OneSlotPace(0, 64), 0.01).most_in_hand == 1


def test_what_one_slot_has_in_hand_doubles_as_long_as_trips_bring_all_that_was_asked_for() -> None:
    pace, seen = OneSlotPace(20, 500), []
    for _ in range(40):
        pace.note(10, 0.1)
    for _ in range(6):
        pace.adapt(pace.most_in_hand - pace.low)  # it asks when so few are left
        seen.append(pace.most_in_hand)
    assert seen == [2, 4, 8, 16, 32, 64]
    pace.adapt(5)
    assert pace.most_in_hand == 64, "a queue that ran short"


def test_one_job_that_was_held_up_takes_most_of_the_next_ones_no_place_but_slow_ones_do() -> None:
    pace = settled(OneSlotPace(20, 64), 0.05)
    before = pace.soon
    pace.note(1, 2.0)
    assert before / 4 < pace.soon < before
    pace.note(1, 60.0)
    assert pace.soon == 0


def test_of_limited_jobs_one_slot_has_no_more_in_hand_than_start_soon_and_asks_again_at_half_of_them() -> None:
    pace = settled(OneSlotPace(20, 256), 0.099)
    pace.adapt(64, is_limited=True)
    assert (pace.most_in_hand, pace.low, pace.soon) == (30, 15, 30)
    pace.adapt(15)
    pace.adapt(30)
    assert pace.most_in_hand == 120, "of others there may be more"
    settled(pace, 50)
    pace.adapt(1, is_limited=True)
    assert (pace.most_in_hand, pace.low) == (1, 0)


@given(st.integers(1, 480), st.integers(0, 10_000), st.integers(1, 500), st.floats(0, 1e6))
def test_there_is_a_place_for_all_that_is_in_hand(slots: int, prefetch_ms: int, batch: int, average_ms: float) -> None:
    pace: Pace = OneSlotPace(prefetch_ms, batch) if slots == 1 else SlotsPace(slots, prefetch_ms)
    settled(pace, average_ms)
    assert slots <= pace.most_in_hand <= PLACES
    assert 0 <= pace.low <= pace.most_in_hand // 2


@given(st.integers(0, 10_000), st.integers(1, 500), st.floats(0, 1e6))
def test_one_slot_has_no_more_in_hand_than_one_trip_brings(prefetch_ms: int, batch: int, average_ms: float) -> None:
    pace = settled(OneSlotPace(prefetch_ms, batch), average_ms)
    assert 1 <= pace.most_in_hand <= batch
    assert pace.low == pace.most_in_hand // 2


@given(
    average_ms=st.floats(0, 1e9), prefetch_ms=st.integers(0, 10**6), most=st.integers(1, 500), last=st.integers(0, 500)
)
def test_the_next_batch_is_bounded(average_ms: float, prefetch_ms: int, most: int, last: int) -> None:
    want = next_want(average_ms, prefetch_ms, most, last)
    assert 1 <= want <= min(most, 2 * max(last, 1))
    if average_ms:
        assert want == 1 or (want - 1) * average_ms <= prefetch_ms


def test_the_batch_grows_slowly_and_shrinks_at_once() -> None:
    wants = [1]
    for _ in range(8):
        wants.append(next_want(0.01, 20, 64, wants[-1]))
    assert wants == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert next_want(500, 20, 64, 64) == 1
    assert next_want(0.0, 0, 64, 64) == 1, "no prefetch: one at a time"
