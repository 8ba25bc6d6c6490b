"""From the kill of a worker to the moment its jobs are out of its hands."""

from __future__ import annotations

from chaos.blows import Harm
from chaos.invariants import Violation
from chaos.judge import replay
from chaos.lives import Lives
from chaos.nemesis import Deed
from chaos.recovery import Recovery, percentile
from unit.chaos.history import W1, History


def recovery_of(history: History, *deeds: Deed) -> tuple[Recovery, list[Violation]]:
    lives = Lives()
    recovery = Recovery(lives, ["q"], deeds)
    return recovery, replay(history.log, lives, [recovery])[1]


def killed(at_ms: int) -> Deed:
    return Deed(at_ms, "kill worker", Harm("a1 4711", killed=(W1,), is_proof=True), at_ms)


def test_it_is_the_time_until_a_dead_workers_job_has_left_it() -> None:
    history = History().enqueue("a").enqueue("b").take("a").take("b")
    at_ms = history.now_ms + 1
    history.wait(490).crash("a").wait(990).crash("b")
    recovery, violations = recovery_of(history, killed(at_ms))
    assert (recovery.times_ms, violations) == ({"kill worker": [499, 1499]}, [])


def test_what_the_worker_finished_before_is_no_recovery() -> None:
    history = History().enqueue("a").take("a").succeed("a")
    recovery, _ = recovery_of(history, killed(history.now_ms + 1))
    assert recovery.times_ms == {}


def test_a_recovery_that_takes_too_long_is_seen() -> None:
    history = History().enqueue("a").take("a")
    at_ms = history.now_ms + 1
    [violation] = recovery_of(history.wait(6000).crash("a"), killed(at_ms))[1]
    assert (violation.tag, violation.about) == ("recovery", "q/a")


def test_one_beside_other_trouble_is_counted_apart() -> None:
    history = History().enqueue("a").take("a")
    at_ms = history.now_ms + 1
    outage = Deed(at_ms + 100, "kill redis", Harm("redis", is_outage=True), at_ms + 4000)
    recovery, violations = recovery_of(history.wait(6000).crash("a"), killed(at_ms), outage)
    assert (recovery.times_ms, violations) == ({}, [])
    assert recovery.troubled_ms == {"kill worker": [6009]}


def test_percentiles_are_values_that_were_seen() -> None:
    values = [5, 1, 4, 2, 3]
    assert [percentile(values, share) for share in (0, 0.5, 0.9, 1)] == [1, 3, 5, 5]
