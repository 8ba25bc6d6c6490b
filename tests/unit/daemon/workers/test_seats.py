"""How many workers there are to be, and when the next one of each slot may start."""

from __future__ import annotations

import pytest

from jqjobs.daemon.settings import MAX_PROCESSES
from jqjobs.daemon.workers.seats import Slots
from jqjobs.daemon.workers.stop_plans import SHORT_LIFE_S
from unit.daemon.fake_workers import Clock


def test_every_slot_without_a_worker_is_due_at_once() -> None:
    slots = Slots(3)
    assert (len(slots), slots.due([])) == (3, [0, 1, 2])
    assert slots.due({1}) == [0, 2]
    assert slots.due({0, 1, 2, 7}) == []


def test_early_deaths_put_off_the_next_start_of_that_slot_alone(clock: Clock) -> None:
    slots = Slots(2)
    waits = [slots.after_death(0, lived_s=0.1) for _ in range(4)]
    assert waits == [0, 0.25, 0.5, 1]
    assert slots.due([]) == [1]
    clock.now_s += 1
    assert slots.due([]) == [0, 1]


def test_who_lived_long_is_succeeded_at_once_and_pays_for_nobody_before(clock: Clock) -> None:
    slots = Slots(1)
    for _ in range(5):
        slots.after_death(0, lived_s=0.1)
    assert slots.after_death(0, lived_s=SHORT_LIFE_S) == 0
    assert slots.due([]) == [0]
    assert slots.after_death(0, lived_s=0.1) == 0


def test_forgiven_slots_start_at_once_and_count_from_the_beginning(clock: Clock) -> None:
    slots = Slots(2)
    for _ in range(5):
        slots.after_death(1, lived_s=0.1)
    slots.forgive()
    assert slots.due([]) == [0, 1]
    assert [slots.after_death(1, lived_s=0.1) for _ in range(2)] == [0, 0.25]


def test_fewer_slots_give_up_the_last_ones() -> None:
    slots = Slots(4)
    assert slots.resize(2) == [2, 3]
    assert (len(slots), 1 in slots, 2 in slots) == (2, True, False)
    assert slots.due([]) == [0, 1]


def test_more_slots_are_due_at_once_and_those_there_were_keep_their_wait(clock: Clock) -> None:
    slots = Slots(1)
    for _ in range(5):
        slots.after_death(0, lived_s=0.1)
    assert slots.resize(3) == []
    assert slots.due([]) == [1, 2]


def test_a_slot_that_comes_back_has_forgotten_its_deaths(clock: Clock) -> None:
    slots = Slots(2)
    for _ in range(5):
        slots.after_death(1, lived_s=0.1)
    slots.resize(1)
    slots.resize(2)
    assert slots.due([]) == [0, 1]


@pytest.mark.parametrize(("asked", "had"), [(0, 1), (-5, 1), (MAX_PROCESSES + 1, MAX_PROCESSES)])
def test_there_is_always_one_and_never_too_many(asked: int, had: int) -> None:
    slots = Slots(3)
    slots.resize(asked)
    assert len(slots) == had
