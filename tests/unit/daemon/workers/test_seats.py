"""How many workers there are to be, and when the next one of each seat may start."""

from __future__ import annotations

import pytest

from jqjobs.daemon.workers.seats import Seats
from jqjobs.daemon.workers.stop_plans import SHORT_LIFE_S, Life
from jqjobs.link.bounds import MAX_PROCESSES
from unit.daemon.fake_workers import Clock

#: Of a worker that died before it was ready.
EARLY = Life(0.1)


def test_every_seat_without_a_worker_is_due_at_once() -> None:
    seats = Seats(3)
    assert (len(seats), seats.due([])) == (3, [0, 1, 2])
    assert seats.due({1}) == [0, 2]
    assert seats.due({0, 1, 2, 7}) == []


def test_early_deaths_put_off_the_next_start_of_that_seat_alone(clock: Clock) -> None:
    seats = Seats(2)
    waits = [seats.after_death(0, EARLY) for _ in range(4)]
    assert waits == [0, 0.25, 0.5, 1]
    assert seats.due([]) == [1]
    clock.now_s += 1
    assert seats.due([]) == [0, 1]


def test_who_lived_long_is_succeeded_at_once_and_pays_for_nobody_before(clock: Clock) -> None:
    seats = Seats(1)
    for _ in range(5):
        seats.after_death(0, EARLY)
    assert seats.after_death(0, Life(SHORT_LIFE_S)) == 0
    assert seats.due([]) == [0]
    assert seats.after_death(0, EARLY) == 0


def test_seats_with_forgotten_deaths_start_at_once_and_count_from_the_beginning(clock: Clock) -> None:
    seats = Seats(2)
    for _ in range(5):
        seats.after_death(1, EARLY)
    seats.forget_deaths()
    assert seats.due([]) == [0, 1]
    assert [seats.after_death(1, EARLY) for _ in range(2)] == [0, 0.25]


def test_fewer_seats_give_up_the_last_ones() -> None:
    seats = Seats(4)
    assert seats.resize(2) == [2, 3]
    assert (len(seats), 1 in seats, 2 in seats) == (2, True, False)
    assert seats.due([]) == [0, 1]


def test_more_seats_are_due_at_once_and_those_there_were_keep_their_wait(clock: Clock) -> None:
    seats = Seats(1)
    for _ in range(5):
        seats.after_death(0, EARLY)
    assert seats.resize(3) == []
    assert seats.due([]) == [1, 2]


def test_a_seat_that_comes_back_has_forgotten_its_deaths(clock: Clock) -> None:
    seats = Seats(2)
    for _ in range(5):
        seats.after_death(1, EARLY)
    seats.resize(1)
    seats.resize(2)
    assert seats.due([]) == [0, 1]


def test_one_seat_among_others_is_given_up_but_never_the_last() -> None:
    seats = Seats(3)
    assert (seats.give_up(1), seats.give_up(7)) == ([1], [])
    assert list(seats) == [0, 2]
    seats.resize(3)
    assert list(seats) == [0, 2, 3]
    assert [seats.give_up(seat) for seat in (0, 2, 3)] == [[0], [2], []]
    assert list(seats) == [3]


@pytest.mark.parametrize(("asked", "had"), [(0, 1), (-5, 1), (MAX_PROCESSES + 1, MAX_PROCESSES)])
def test_there_is_always_one_and_never_too_many(asked: int, had: int) -> None:
    seats = Seats(3)
    seats.resize(asked)
    assert len(seats) == had


def test_deaths_are_counted_for_an_hour(clock: Clock) -> None:
    seats = Seats(2)
    seats.after_death(0, EARLY)
    clock.now_s += 3000
    seats.after_death(1, EARLY)
    assert seats.deaths_in_last_hour() == 2
    clock.now_s += 3000
    assert seats.deaths_in_last_hour() == 1
