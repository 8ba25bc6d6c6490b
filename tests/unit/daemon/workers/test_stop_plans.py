"""Decisions about workers: restarts, stop plans, time limits. No process, no sleep."""

from __future__ import annotations

import signal

import pytest

from jqjobs.daemon.workers.stop_plans import (
    SHORT_LIFE_S,
    Life,
    Restart,
    after_death,
    boot_plan,
    drain_plan,
    due_signal,
    is_overdue,
    recycle_plan,
    retire_plan,
    stop_plan,
)

TERM, QUIT, KILL = signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL


def waits(life: Life, deaths: int = 14) -> list[float]:
    early, found = 0, []
    for _ in range(deaths):
        restart = after_death(100.0, life, early)
        early = restart.early_deaths
        found.append(restart.at_s - 100.0)
    return found


def test_who_dies_before_it_is_ready_is_replaced_later_and_later_up_to_half_a_minute() -> None:
    found = waits(Life(SHORT_LIFE_S / 2))
    assert found[:4] == [0, 0.25, 0.5, 1]
    assert found == sorted(found)
    assert found[-1] == 30


def test_a_job_that_kills_its_worker_holds_up_the_next_worker_by_little() -> None:
    found = waits(Life(0.1, was_ready=True))
    assert found[:6] == [0] * 6
    assert found[-1] == 1


@pytest.mark.parametrize("life", [Life(SHORT_LIFE_S), Life(0.1, was_ready=True, executed=1)], ids=["long", "useful"])
def test_a_worker_that_lived_long_or_ran_a_job_is_forgiven(life: Life) -> None:
    assert after_death(100.0, life, 9) == Restart(100.0, 0)


@pytest.mark.parametrize(
    ("plan", "due"),
    [
        (
            drain_plan(100, grace_s=30, kill_after_s=5),
            {100: TERM, 129.9: TERM, 130: QUIT, 134.9: QUIT, 135: KILL, 1e9: KILL},
        ),
        (drain_plan(100, grace_s=0, kill_after_s=0), {100: KILL}),
        (stop_plan(100, kill_after_s=5), {100: QUIT, 104.9: QUIT, 105: KILL}),
        (retire_plan(), {100: TERM, 1e12: TERM}),
        (boot_plan(100), {100: QUIT, 101: KILL}),
    ],
    ids=["drain", "drain at once", "stop", "retire", "boot"],
)
def test_the_strongest_signal_that_is_due(plan: object, due: dict[float, signal.Signals]) -> None:
    assert {now_s: due_signal(plan, now_s) for now_s in due} == due  # type: ignore[arg-type]


def test_only_a_retired_worker_frees_seat_for_its_successor() -> None:
    assert retire_plan().frees_seat
    assert not recycle_plan().frees_seat
    assert not drain_plan(0, 1, 1).frees_seat


@pytest.mark.parametrize(
    ("timeout_ms", "running_ms", "kill"),
    [(0, 10**12, False), (1000, 1000, False), (1000, 1500, False), (1000, 1501, True)],
)
def test_a_job_is_killed_only_past_its_limit_and_the_time_to_heed_it(
    timeout_ms: int, running_ms: int, *, kill: bool
) -> None:
    assert is_overdue(timeout_ms, running_ms, kill_after_ms=500) is kill
