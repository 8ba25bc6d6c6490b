"""Who is wrong about who they are too often waits for a minute, and nobody else does."""

from __future__ import annotations

import pytest

from jqjobs.errors import TooManyGuesses
from jqjobs.web.guesses import MOST_OF_ADDRESS, MOST_OF_NAME, Guesses


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_address_that_was_wrong_too_often_waits_for_the_minute(clock: Clock) -> None:
    guesses = Guesses(clock)
    for number in range(MOST_OF_ADDRESS):
        guesses.check("10.0.0.1", f"name{number}")
        guesses.note("10.0.0.1", f"name{number}")

    with pytest.raises(TooManyGuesses):
        guesses.check("10.0.0.1", "ann")
    guesses.check("10.0.0.2", "ann")
    clock.now_s += 60
    guesses.check("10.0.0.1", "ann")


def test_a_name_is_guarded_against_guesses_from_everywhere(clock: Clock) -> None:
    guesses = Guesses(clock)
    for number in range(MOST_OF_NAME):
        guesses.note(f"10.0.0.{number}", "ann")

    with pytest.raises(TooManyGuesses):
        guesses.check("10.9.9.9", "ann")
    guesses.check("10.9.9.9", "bob")


@pytest.mark.parametrize(
    ("one", "other"), [("10.0.0.1", "::ffff:10.0.0.1"), ("2001:db8::1", "2001:db8::ffff"), ("unix", "unix")]
)
def test_one_person_is_one_address(clock: Clock, one: str, other: str) -> None:
    guesses = Guesses(clock)
    for _ in range(MOST_OF_ADDRESS):
        guesses.note(one, "")

    with pytest.raises(TooManyGuesses):
        guesses.check(other, "")


def test_what_is_remembered_is_bounded(clock: Clock) -> None:
    guesses = Guesses(clock)
    for number in range(12_000):
        guesses.note(f"2001:db8:{number:x}::", f"name{number}")

    assert len(guesses._wrong) == 10_000
