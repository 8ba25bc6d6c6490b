"""How many workers a load calls for: the policies, what nothing may override, and when fewer will do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.jobs.scaling import Decision, Hold, Load, Policy, Rules, decide

NOTHING = Load()


def wanted(load: Load, **rules: object) -> int:
    return decide(load, Rules()._replace(**rules)).wanted  # type: ignore[arg-type]


def test_latency_wants_as_many_as_do_all_jobs_within_the_target() -> None:
    load = Load(ready=120, in_hand=4, busy=4, due_soon=3, oldest_s=41, mean_run_s=1.6)
    assert decide(load, Rules()) == Decision(7, "124 jobs, 1.6 s each, within 30 s")


@pytest.mark.parametrize(
    ("load", "workers"),
    [
        (NOTHING, 0),
        (Load(ready=1, mean_run_s=0.001), 1),
        (Load(due_soon=500, mean_run_s=60), 1),  # to be there when they come, not more
        (Load(in_hand=4, busy=4, mean_run_s=0.01), 4),
        (Load(ready=300), 10),  # none has ended yet
        (Load(ready=1, in_hand=1, busy=1, mean_run_s=600), 2),  # two jobs keep no more than two workers busy
        (Load(ready=10**6, mean_run_s=1), 20),
    ],
)
def test_latency_with_its_defaults(load: Load, workers: int) -> None:
    assert wanted(load) == workers


@pytest.mark.parametrize(("jobs", "workers"), [(0, 0), (1, 1), (2, 2), (19, 19), (20, 20), (500, 20)])
def test_linear_wants_one_for_each_job(jobs: int, workers: int) -> None:
    assert wanted(Load(ready=jobs), policy=Policy.LINEAR) == workers


@pytest.mark.parametrize(
    ("jobs", "workers"), [(0, 0), (1, 1), (2, 1), (3, 1), (4, 2), (199, 99), (200, 100), (201, 100), (500, 200)]
)
def test_half_wants_one_for_two_jobs(jobs: int, workers: int) -> None:
    assert wanted(Load(ready=jobs), policy=Policy.HALF, most=200) == workers


def test_workers_that_run_several_jobs_at_once_are_fewer() -> None:
    load = Load(ready=240, mean_run_s=1)
    assert [wanted(load, at_once=at_once) for at_once in (1, 3)] == [8, 3]


@given(
    st.builds(
        Load, ready=st.integers(0, 1000), in_hand=st.integers(0, 50), busy=st.integers(0, 30),
        due_soon=st.integers(0, 9), mean_run_s=st.none() | st.floats(0, 100),
    ),
    st.sampled_from(Policy), st.integers(0, 5), st.integers(5, 20),
)  # fmt: skip
def test_the_bounds_hold_and_nobody_who_is_busy_is_one_too_many(
    load: Load, policy: Policy, least: int, most: int
) -> None:
    found = wanted(load, policy=policy, least=least, most=most)
    assert max(least, load.busy) <= found <= max(most, load.busy)
    assert found >= 1 or not (load.jobs or load.due_soon)


def settled(hold: Hold, *found: tuple[float, int]) -> list[int]:
    return [hold.settle(Decision(wanted, "why"), at_s).wanted for at_s, wanted in found]


def test_it_goes_up_at_once_and_down_only_to_what_sufficed_all_through_the_hold() -> None:
    assert settled(Hold(60), (0, 2), (15, 7), (30, 3), (60, 5), (74, 1), (75, 1), (90, 1), (120, 1)) == [
        2, 7, 7, 7, 7, 5, 5, 1,
    ]  # fmt: skip


def test_without_a_hold_it_follows_at_once() -> None:
    assert settled(Hold(0), (0, 7), (1, 0), (2, 3)) == [7, 0, 3]


def test_while_nobody_knows_the_load_the_last_answer_stays_and_the_hold_begins_anew() -> None:
    hold = Hold(60)
    assert hold.keep(0) is None
    assert settled(hold, (0, 7)) == [7]
    assert hold.keep(300) == Decision(7, "why")
    assert settled(hold, (301, 0), (359, 0), (360, 0)) == [7, 7, 0]
