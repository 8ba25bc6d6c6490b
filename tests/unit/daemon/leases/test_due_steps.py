"""When the steps of the lease thread are due."""

from __future__ import annotations

import random

import pytest

from jqjobs.daemon.leases.due_steps import Schedule

NOW_S = 1000.0


@pytest.fixture
def schedule() -> Schedule:
    """One without jitter."""
    return Schedule(0, random.Random())


def test_a_step_is_due_at_once_and_then_once_in_its_time(schedule: Schedule) -> None:
    moments = [NOW_S + tenth / 10 for tenth in range(50) if schedule.take("renew", 2, NOW_S + tenth / 10)]
    assert moments == [NOW_S, NOW_S + 2, NOW_S + 4]


def test_steps_know_nothing_of_each_other(schedule: Schedule) -> None:
    assert schedule.take("renew", 2, NOW_S)
    assert schedule.take("register", 2, NOW_S)


def test_jitter_brings_a_step_forward_by_up_to_half_of_it_and_never_puts_it_off() -> None:
    schedule, pauses = Schedule(0.5, random.Random(1)), []
    for turn in range(200):
        now_s = NOW_S + 100 * turn
        assert schedule.take("renew", 10, now_s)
        pauses.append(schedule.pause_s(now_s))
    assert 7.5 <= min(pauses) < 7.7
    assert 9.8 < max(pauses) <= 10


def test_the_pause_lasts_until_the_first_step_that_is_due(schedule: Schedule) -> None:
    schedule.take("renew", 2, NOW_S)
    schedule.take("orphans", 0.3, NOW_S)
    assert schedule.pause_s(NOW_S) == pytest.approx(0.3)


def test_what_is_overdue_leaves_a_short_pause_all_the_same(schedule: Schedule) -> None:
    assert schedule.pause_s(NOW_S) == 0.01
    schedule.take("renew", 2, NOW_S)
    assert schedule.pause_s(NOW_S + 5) == 0.01


def test_a_step_is_brought_forward_and_never_put_off(schedule: Schedule) -> None:
    schedule.take("register", 2, NOW_S)
    schedule.hasten("register", NOW_S + 0.5)
    schedule.hasten("register", NOW_S + 1)
    assert not schedule.take("register", 2, NOW_S + 0.4)
    assert schedule.take("register", 2, NOW_S + 0.5)
    assert not schedule.take("register", 2, NOW_S + 1), "it was hastened once"


def test_all_is_due_when_redis_is_back(schedule: Schedule) -> None:
    for step in ("renew", "orphans"):
        schedule.take(step, 60, NOW_S)
    schedule.make_all_due()
    assert [schedule.take(step, 60, NOW_S) for step in ("renew", "orphans")] == [True, True]
