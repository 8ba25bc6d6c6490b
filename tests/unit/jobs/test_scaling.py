"""How many workers a load calls for: the policies, what nothing may override, and when fewer will do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.jobs.scaling import Decision, Hold, Load, Own, Policy, Rules, decide, decide_for, next_size

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


DAEMON = Rules(target_s=5, least=1, most=8)


@pytest.mark.parametrize(
    ("own", "load", "workers"),
    [
        (Own(1, 1, 1), Load(ready=200, in_hand=1, busy=1, workers=1), 8),  # before the first of them has ended
        (Own(1, 1, 0), Load(ready=1, workers=1), 1),
        (Own(1, 1, 1), Load(ready=1, in_hand=1, busy=1, workers=1, mean_run_s=600), 2),  # not eight
        (Own(6, 6, 2), Load(in_hand=2, busy=2, workers=6, mean_run_s=600), 2),  # long jobs keep themselves busy only
        (Own(1, 1, 0), Load(workers=1), 1),
        (Own(9, 9, 9), Load(in_hand=9, busy=9, workers=9), 9),  # who is busy stays, whatever the bounds
    ],
)
def test_a_daemon_follows_its_jobs_within_its_bounds(own: Own, load: Load, workers: int) -> None:
    assert decide_for(own, load, DAEMON).wanted == workers


def test_daemons_that_serve_the_same_queues_share_the_work() -> None:
    jobs = Load(ready=40, workers=2)
    assert decide_for(Own(1, 1, 0), jobs, DAEMON).wanted == 7, "of eight, the other one has one"
    assert decide_for(Own(4, 4, 0), jobs._replace(workers=8), DAEMON).wanted == 4
    assert decide_for(Own(2, 2, 2), jobs._replace(workers=40, busy=2), DAEMON).wanted == 2


def test_jobs_that_have_waited_too_long_want_twice_as_many_whatever_was_thought_of_them() -> None:
    late = Load(ready=3, in_hand=2, busy=2, oldest_s=5.1, mean_run_s=0.01, workers=2)
    assert decide_for(Own(2, 2, 2), late, DAEMON) == Decision(4, "3 ready, the oldest for 5 s")
    assert decide_for(Own(2, 2, 2), late._replace(ready=1), DAEMON).wanted == 3, "one that waits wants one more"
    assert decide_for(Own(2, 2, 1), late._replace(busy=1), DAEMON).wanted == 1, (
        "one of its workers is free, or about to begin"
    )
    assert decide_for(Own(2, 2, 2), late._replace(oldest_s=4.9), DAEMON).wanted == 2
    starting = late._replace(busy=1, in_hand=1, workers=1)
    assert decide_for(Own(2, 1, 1), starting, DAEMON).wanted == 2, "it comes too late to be given up for that"
    assert decide_for(Own(4, 1, 1), starting._replace(ready=1), DAEMON).wanted == 2, "nobody waits for the others"


@pytest.mark.parametrize(
    ("present", "wanted", "room", "size"), [(1, 8, 99, 2), (4, 8, 99, 8), (4, 5, 99, 5), (4, 8, 1, 5), (4, 2, 99, 4)]
)
def test_it_doubles_at_most_and_no_further_than_there_is_room(present: int, wanted: int, room: int, size: int) -> None:
    assert next_size(present, wanted, room) == size


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
