"""How long jobs lie in ready."""

from __future__ import annotations

from chaos.judge import replay
from chaos.lives import Lives
from chaos.waits import Waits
from unit.chaos.history import History


def test_it_is_the_time_from_ready_to_the_take_of_those_that_were_taken() -> None:
    history = History().enqueue("a").enqueue("b").wait(490).take("a").wait(990).crash("a").wait(90).take("a", attempt=2)
    history.do(("ZREM", "jq:{q}:ready", "b"), ("ZADD", "jq:{q}:scheduled", "1", "b"))
    waits = Waits()
    replay(history.log, Lives(), [waits])
    assert waits.times_ms == [510, 100]
    assert waits.longest == (510, "q/a")


def test_what_was_ready_before_the_first_tick_of_the_clock_says_nothing() -> None:
    history = History().enqueue("a").take("a")
    del history.log[0]
    waits = Waits()
    replay(history.log, Lives(), [waits])
    assert waits.longest == (0, "q/a")
