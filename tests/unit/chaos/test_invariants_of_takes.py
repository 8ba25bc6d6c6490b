"""Limits, coalescing keys and ticks: good histories pass, and each violation is seen."""

from __future__ import annotations

from chaos.invariants import Evidence
from unit.chaos.history import START_MS, W1, W2, History, key

PACED = ("limits", "r 2 1000 paced/1s")
GUARDED = ("limits", "c 2 0 guarded/running")


def test_a_rate_that_is_kept_passes() -> None:
    history = History()
    for number in range(6):
        if number % 2 == 0:
            history.wait(1000)
        history.enqueue(f"a{number}", "paced", *PACED).take(f"a{number}").succeed(f"a{number}")
    assert history.violations() == []


def test_one_start_too_many_in_a_window_is_seen() -> None:
    history = History()
    for number in range(3):
        history.enqueue(f"a{number}", "paced", *PACED).take(f"a{number}").succeed(f"a{number}")
    [violation] = history.violations()
    assert (violation.tag, violation.about) == ("limit-rate", "q/paced/1s")


def test_a_rate_counts_anew_when_the_clock_of_redis_was_set() -> None:
    history = History()
    for number in range(2):
        history.enqueue(f"a{number}", "paced", *PACED).take(f"a{number}")
    jump_ms = history.now_ms + 1
    history.enqueue("a2", "paced", *PACED).take("a2")
    assert history.tags(Evidence(jumps_ms=(jump_ms,))) == set()
    assert history.tags() == {"limit-rate"}


def test_that_it_was_set_back_is_seen_by_itself_before_our_own_clock_ticks_again() -> None:
    history = History()
    for number in range(2):
        history.enqueue(f"a{number}", "paced", *PACED).take(f"a{number}")
    history.now_ms -= 20_000
    assert history.enqueue("a2", "paced", *PACED).take("a2").tags() == set()


def test_as_many_as_a_concurrency_allows_may_run() -> None:
    history = History()
    for number in range(4):
        history.enqueue(f"a{number}", "guarded", *GUARDED)
    history.take("a0").take("a1", W2).succeed("a0").take("a2").crash("a1", W2).take("a3", W2)
    assert history.violations(Evidence(killed={W2})) == []


def test_one_more_than_a_concurrency_allows_is_seen() -> None:
    history = History()
    for number in range(3):
        history.enqueue(f"a{number}", "guarded", *GUARDED).take(f"a{number}")
    [violation] = history.violations()
    assert violation.tag == "limit-concurrency"
    assert "3 run beside each other" in violation.text


def test_two_jobs_that_stand_for_one_unfinished_key_are_seen() -> None:
    history = History().enqueue("a", "keyed", "key", "k").take("a").enqueue("b", "keyed", "key", "k")
    [violation] = history.violations()
    assert (violation.tag, violation.about) == ("coalescing", "q, key k")


def test_an_unfinished_key_is_free_after_the_end() -> None:
    history = History().enqueue("a", "keyed", "key", "k").take("a").succeed("a")
    history.enqueue("b", "failing", "key", "k").take("b").die("b", "failed")
    history.enqueue("c", "answer", "key", "k").take("c").keep("c")
    assert history.enqueue("d", "keyed", "key", "k").violations() == []


def test_a_queued_key_is_free_once_its_job_was_taken() -> None:
    fields = ("key", "k", "coalesce", "queued")
    history = History().enqueue("a", "keyed_queued", *fields).take("a").enqueue("b", "keyed_queued", *fields)
    assert history.violations() == []
    assert history.enqueue("c", "keyed_queued", *fields).tags() == {"coalescing"}


def test_a_stored_key_stands_for_a_dead_job_too() -> None:
    fields = ("key", "k", "coalesce", "stored")
    history = History().enqueue("a", "keyed_stored", *fields).take("a").die("a", "failed")
    assert history.violations() == []
    assert history.enqueue("b", "keyed_stored", *fields).tags() == {"coalescing"}


def test_a_tick_that_makes_a_job_twice_is_seen() -> None:
    tick = f"ticking-{START_MS}"
    history = History().enqueue(tick, "ticking").take(tick).succeed(tick)
    assert history.violations() == []
    history.enqueue(tick, "ticking")
    assert history.tags() == {"ticks"}
    assert history.tags(Evidence(jumps_ms=(START_MS,))) == set(), "the repeated time has its ticks again"
    history.take(tick).succeed(tick)
    assert history.tags(Evidence(jumps_ms=(START_MS,))) == set(), "and each of them succeeds"
    assert history.tags() == {"ticks", "one-success"}


def test_places_of_a_limit_are_counted_by_takes_and_not_by_what_the_scripts_believe() -> None:
    history = History()
    for number in range(3):
        history.enqueue(f"a{number}", "guarded", *GUARDED).take(f"a{number}", W1)
        history.do(("ZREM", key("limit:guarded/running"), f"a{number} 1"))
    assert history.tags() == {"limit-concurrency"}
