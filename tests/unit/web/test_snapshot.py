"""One look is shared by all who come meanwhile, and so is what went wrong with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from jqjobs.errors import StoreUnavailable
from jqjobs.web.outage import PAUSE_S, Outage
from jqjobs.web.snapshot import FRESH_S, REST, Shared


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def away() -> StoreUnavailable:
    return StoreUnavailable("no answer", hint="start it")


def test_who_waits_for_a_look_that_fails_fails_with_it_and_does_not_look_again() -> None:
    clock, looks, may_fail = Clock(), list[object](), Event()

    def read(before: object) -> object:
        looks.append(before)
        may_fail.wait(30)
        raise away()

    shared = Shared(read, clock)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(shared.get) for _ in range(8)]
        while not looks:
            pass
        may_fail.set()
        assert all(isinstance(each.exception(30), StoreUnavailable) for each in asked)

    assert len(looks) == 1
    clock.now_s += FRESH_S
    with pytest.raises(StoreUnavailable):
        shared.get()
    assert len(looks) == 2


def looks_in(seconds: float, look_s: float) -> int:
    """Return how often is looked while somebody asks all the time, and a look takes so long."""
    clock, looks = Clock(), list[object]()

    def read(before: object) -> object:
        looks.append(before)
        clock.now_s += look_s
        return clock.now_s

    shared, until_s = Shared(read, clock), clock.now_s + seconds
    while clock.now_s < until_s:
        shared.get()
        clock.now_s += 0.01
    return len(looks)


def test_a_quick_look_is_taken_once_a_second_and_a_slow_one_takes_a_tenth_of_the_time() -> None:
    assert looks_in(60, look_s=0.001) in range(55, int(60 / FRESH_S) + 1)
    assert looks_in(60, look_s=0.5) in range(10, int(60 / (0.5 * (1 + REST))) + 1)


def test_while_redis_is_away_one_request_asks_and_the_others_are_told_at_once() -> None:
    clock = Clock()
    outage = Outage(clock)
    with pytest.raises(StoreUnavailable), outage.watched():
        raise away()

    with pytest.raises(StoreUnavailable, match="no answer"), outage.watched():
        pytest.fail("nobody asks so soon")
    clock.now_s += PAUSE_S
    with outage.watched(), pytest.raises(StoreUnavailable), outage.watched():
        pytest.fail("one asks already")
    with outage.watched(), outage.watched():
        pass  # it is back


def test_whoever_found_it_away_still_lets_another_ask_later() -> None:
    clock, outage = Clock(), Outage(Clock())
    outage = Outage(clock)
    for _ in range(3):
        clock.now_s += PAUSE_S
        with pytest.raises(StoreUnavailable, match="no answer"), outage.watched():
            raise away()


def test_requests_that_ask_at_the_same_time_all_ask_while_nobody_knows_of_an_outage() -> None:
    outage, together = Outage(), Barrier(4)

    def ask() -> int:
        with outage.watched():
            return together.wait(30)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: ask(), range(4))) == [0, 1, 2, 3]
