"""Whether there is memory for more work, and whom to replace: every verdict, sample by sample. No process, no sleep."""

from __future__ import annotations

import math
from typing import Any

import pytest

from jqjobs.daemon.memory.policy import (
    Judgement,
    MemoryLimits,
    Pressure,
    Verdict,
    WorkerMemory,
    default_reserve,
    fits,
    judge,
)

MIB = 1 << 20
GIB = 1 << 30
#: With these a shortage ends at 32 MiB of room.
RESERVE = MemoryLimits(256 * MIB)
TAKE, RECYCLE, WAIT = Verdict.TAKE, Verdict.RECYCLE, Verdict.WAIT


def worker(name: str, rss_mib: float, baseline_mib: float = 40, **more: Any) -> WorkerMemory:
    return WorkerMemory(name, int(rss_mib * MIB), int(baseline_mib * MIB), **more)


class Story:
    """One daemon's samples, half a second apart; what is left over is told as room, in MiB."""

    def __init__(self, limits: MemoryLimits = RESERVE) -> None:
        self.limits = limits
        self.pressure = Pressure()
        self.now_s = 1000.0

    def sample(self, room_mib: float, *workers: WorkerMemory, wanted_mib: float = 0) -> Judgement:
        self.now_s += 0.5
        free_bytes = self.limits.reserve_bytes + int(room_mib * MIB)
        wanted_bytes = int(wanted_mib * MIB)
        judgement = judge(free_bytes, workers, self.limits, self.pressure, self.now_s, wanted_bytes)
        self.pressure = judgement.pressure
        return judgement

    def verdicts(self, rooms_mib: list[float], *workers: WorkerMemory) -> list[Verdict]:
        return [self.sample(room_mib, *workers).verdict for room_mib in rooms_mib]


# Short or not


def test_one_sample_is_no_shortage_and_two_are() -> None:
    assert Story().verdicts([-1, 0, -1, 5, -1, -1, -1]) == [TAKE, TAKE, TAKE, TAKE, TAKE, WAIT, WAIT]


def test_a_single_low_sample_already_lets_nobody_grow() -> None:
    judgement = Story().sample(-1, worker("a", 60))
    assert (judgement.verdict, judgement.allowances) == (TAKE, {"a": 60 * MIB})


def test_a_shortage_ends_after_two_samples_with_some_margin() -> None:
    story = Story()
    assert story.verdicts([-1, -1]) == [TAKE, WAIT]
    assert story.verdicts([0, 31, 32, 31, 32, 32]) == [WAIT] * 5 + [TAKE]


def test_the_margin_is_an_eighth_of_the_reserve_but_not_less_than_16_mib() -> None:
    story = Story(MemoryLimits(8 * MIB))
    assert story.verdicts([-1, -1, 15, 15, 15]) == [TAKE, WAIT, WAIT, WAIT, WAIT]
    assert story.verdicts([16, 16]) == [WAIT, TAKE]


def test_what_was_promised_is_not_free() -> None:
    promised = [worker("a", 50, promised_bytes=30 * MIB), worker("b", 50, promised_bytes=20 * MIB)]
    assert Story().sample(60, *promised).room_bytes == 10 * MIB
    assert Story().verdicts([49, 49], *promised) == [TAKE, WAIT]


# Whom to replace


def test_a_worker_that_grew_is_replaced_and_nobody_starts_a_job_meanwhile() -> None:
    story = Story()
    story.sample(-1, worker("a", 200))
    judgement = story.sample(-1, worker("a", 200))
    assert (judgement.verdict, judgement.worker_id, judgement.allowances) == (RECYCLE, "a", {})


def test_who_did_not_grow_is_not_replaced_however_large_it_is() -> None:
    honest = worker("a", 3000, baseline_mib=2990)
    assert Story().verdicts([-500] * 5, honest) == [TAKE, WAIT, WAIT, WAIT, WAIT]


@pytest.mark.parametrize(("grown_mib", "verdict"), [(15.9, WAIT), (16, RECYCLE)])
def test_less_than_16_mib_is_not_worth_a_restart(grown_mib: float, verdict: Verdict) -> None:
    workers = worker("a", 40 + grown_mib), worker("b", 40), worker("c", 40)
    assert Story().verdicts([-1, -1], *workers) == [TAKE, verdict]


@pytest.mark.parametrize(("grown_mib", "verdict"), [(99, WAIT), (100, RECYCLE)])
def test_growth_below_a_fair_share_of_the_shortage_is_somebody_elses_fault(grown_mib: float, verdict: Verdict) -> None:
    """Short by 168 MiB and the margin of 32, so each of two workers may be asked for 100."""
    workers = worker("a", 40 + grown_mib), worker("b", 41)
    assert Story().verdicts([-168, -168], *workers) == [TAKE, verdict]


def test_of_several_that_grew_the_largest_growth_goes_first() -> None:
    story = Story()
    workers = worker("a", 100), worker("b", 300), worker("large", 900, baseline_mib=800)
    assert story.verdicts([-1], *workers) == [TAKE]
    assert story.sample(-1, *workers).worker_id == "b"


def test_an_idle_worker_goes_before_a_busy_one_as_it_gives_its_memory_back_at_once() -> None:
    story = Story()
    workers = worker("busy", 900, is_busy=True), worker("idle", 100)
    story.sample(-1, *workers)
    assert story.sample(-1, *workers).worker_id == "idle"


def test_who_is_leaving_already_is_not_told_again() -> None:
    leaving = worker("a", 900, is_leaving=True)
    assert Story().verdicts([-1, -1, -1], leaving) == [TAKE, WAIT, WAIT]


# One after the other, and the brake


def leaves(story: Story, grown_mib: float, given_back_mib: float, *others: WorkerMemory) -> Judgement:
    """Have the worker "a" replaced, which grew most; return what is judged once it is gone."""
    story.sample(-500, worker("a", 40 + grown_mib), *others)
    assert story.sample(-500, worker("a", 40 + grown_mib), *others).worker_id == "a"
    assert story.sample(-500, worker("a", 40 + grown_mib, is_leaving=True), *others).verdict is WAIT
    return story.sample(-500 + given_back_mib, *others)


def test_workers_that_grew_are_replaced_one_after_the_other() -> None:
    story = Story()
    assert leaves(story, 1000, 510, worker("b", 500)).worker_id == "b"


def test_nobody_is_replaced_any_more_as_soon_as_one_sample_says_that_there_is_enough() -> None:
    story = Story()
    assert leaves(story, 1000, 1000, worker("b", 500)).verdict is WAIT
    assert story.verdicts([500], worker("b", 500)) == [TAKE]


def test_while_one_ends_a_long_job_the_idle_ones_are_replaced_and_the_busy_ones_are_not() -> None:
    story = Story()
    before = worker("a", 1000, is_busy=True), worker("b", 800, is_busy=True)
    after = worker("a", 1000, is_busy=True, is_leaving=True), worker("b", 800, is_busy=True)
    assert story.verdicts([-1, -1], *before) == [TAKE, RECYCLE]
    assert story.verdicts([-1], *after) == [WAIT]
    assert story.sample(-1, after[0], worker("b", 800)).worker_id == "b"


@pytest.mark.parametrize(("given_back_mib", "verdict"), [(399, WAIT), (400, RECYCLE)])
def test_replacing_that_gave_back_less_than_half_of_the_growth_is_braked(
    given_back_mib: float, verdict: Verdict
) -> None:
    assert leaves(Story(), 800, given_back_mib, worker("b", 600)).verdict is verdict


def test_what_the_others_took_meanwhile_does_not_make_a_replacement_useless() -> None:
    story = Story()
    for leaving in (False, False, True):
        story.sample(-500, worker("a", 640, is_leaving=leaving), worker("b", 600))
    judgement = story.sample(-500 + 600 - 590, worker("b", 600 + 590))
    assert (judgement.verdict, judgement.worker_id) == (RECYCLE, "b")


def test_what_the_others_gave_back_meanwhile_does_not_make_it_useful() -> None:
    story = Story()
    for leaving in (False, False, True):
        story.sample(-900, worker("a", 640, is_leaving=leaving), worker("b", 1000))
    assert story.sample(-900 + 500, worker("b", 500)).verdict is WAIT


def braked_for_s(story: Story, *workers: WorkerMemory) -> float:
    """Return how long nobody is replaced although memory is short and one worker grew."""
    began_s = story.now_s
    while story.sample(-500, *workers).verdict is WAIT and story.now_s - began_s < 100_000:
        story.now_s += 59.5
    return story.now_s - began_s


def test_the_brake_holds_for_ten_minutes_then_twenty_and_never_longer_than_four_hours() -> None:
    story, waits_min = Story(), []
    for _ in range(7):
        assert leaves(story, 600, 0, worker("b", 500)).verdict is WAIT
        waits_min.append(round(braked_for_s(story, worker("a", 640), worker("b", 500)) / 60))
        story.pressure = Pressure(brake_s=story.pressure.brake_s)
    assert waits_min == [10, 20, 40, 80, 160, 240, 240]


def test_a_useful_replacement_makes_the_brake_short_again() -> None:
    story = Story()
    story.pressure = Pressure(brake_s=9600)
    leaves(story, 600, 600, worker("b", 40))
    assert (story.pressure.brake_s, story.pressure.braked_until_s) == (600, -math.inf)


# For a job that was put off


def test_for_a_job_that_was_put_off_an_idle_worker_that_grew_is_replaced_and_the_others_go_on() -> None:
    judgement = Story().sample(60, worker("a", 240), worker("b", 50), wanted_mib=200)
    assert (judgement.verdict, judgement.worker_id) == (RECYCLE, "a")
    assert judgement.allowances == {"a": 270 * MIB, "b": 80 * MIB}


@pytest.mark.parametrize(
    ("room_mib", "grown_mib"), [(200, 900), (60, 69), (190, 15)], ids=["it fits", "no fair share", "hardly grown"]
)
def test_for_a_job_that_was_put_off_nobody_is_replaced_in_vain(room_mib: float, grown_mib: float) -> None:
    judgement = Story().sample(room_mib, worker("a", 40 + grown_mib), worker("b", 40), wanted_mib=200)
    assert judgement.verdict is TAKE


def test_for_a_job_that_was_put_off_no_busy_worker_is_replaced_as_that_may_be_the_other_such_job() -> None:
    story = Story()
    assert story.sample(60, worker("a", 900, is_busy=True), wanted_mib=200).verdict is TAKE
    assert story.sample(60, worker("a", 900), wanted_mib=200).verdict is RECYCLE


def test_replacing_for_a_job_that_was_put_off_is_braked_like_any_other() -> None:
    story = Story()
    assert story.sample(60, worker("a", 900), worker("b", 800), wanted_mib=200).worker_id == "a"
    assert story.sample(60, worker("a", 900, is_leaving=True), worker("b", 800), wanted_mib=200).verdict is TAKE
    assert story.sample(60, worker("b", 800), wanted_mib=200).verdict is TAKE
    story.now_s += 601
    assert story.sample(60, worker("b", 800), wanted_mib=200).worker_id == "b"


def test_nobody_is_replaced_for_a_single_low_sample_when_no_job_was_put_off() -> None:
    assert Story().sample(-60, worker("a", 900)).verdict is TAKE


# --max-rss


def limited(max_rss_mib: int) -> Story:
    return Story(MemoryLimits(256 * MIB, max_rss_mib * MIB))


@pytest.mark.parametrize(("rss_mib", "verdict"), [(99, TAKE), (100, RECYCLE), (500, RECYCLE)])
def test_who_reaches_max_rss_is_replaced_at_once_with_any_amount_free(rss_mib: int, verdict: Verdict) -> None:
    assert limited(100).verdicts([9000], worker("a", rss_mib)) == [verdict]


def test_the_others_go_on_while_one_is_replaced_for_its_size() -> None:
    judgement = limited(100).sample(300, worker("a", 150), worker("b", 50), worker("c", 20))
    assert judgement.worker_id == "a"
    assert limited(100).sample(300, worker("a", 150), worker("b", 200), worker("c", 101)).worker_id == "b"
    assert judgement.allowances == {"a": 100 * MIB, "b": 100 * MIB, "c": 100 * MIB}
    assert limited(100).sample(30, worker("a", 150), worker("b", 50)).allowances["b"] == 65 * MIB


def test_a_large_worker_with_a_long_job_does_not_keep_the_next_one_from_being_replaced() -> None:
    story = limited(100)
    assert story.sample(900, worker("a", 150, is_busy=True), worker("b", 50)).worker_id == "a"
    assert story.sample(900, worker("a", 150, is_busy=True, is_leaving=True), worker("b", 120)).worker_id == "b"


def test_replacing_for_size_is_not_braked() -> None:
    story = limited(100)
    story.pressure = Pressure(is_short=True, braked_until_s=math.inf)
    assert story.sample(-500, worker("a", 150)).verdict is RECYCLE


def test_no_max_rss_means_any_size() -> None:
    assert limited(0).sample(900, worker("a", 5000)).allowances == {"a": 5900 * MIB}


def test_who_was_born_too_large_would_be_born_so_again_and_works_on_whatever_it_grows_to() -> None:
    for rss_mib in (110, 120, 500):
        judgement = limited(100).sample(900, worker("a", rss_mib, baseline_mib=100))
        assert (judgement.verdict, judgement.allowances) == (TAKE, {"a": (rss_mib + 900) * MIB})


# Allowances


def test_each_worker_may_grow_by_its_share_of_the_room() -> None:
    judgement = Story().sample(90, worker("a", 50), worker("b", 60), worker("c", 70))
    assert judgement.allowances == {"a": 80 * MIB, "b": 90 * MIB, "c": 100 * MIB}


@pytest.mark.parametrize("room_mib", [0.001, 0.5, 1, 5000])
def test_with_any_room_at_all_nobody_is_stuck_at_its_own_size(room_mib: float) -> None:
    assert Story().sample(room_mib, worker("a", 50)).allowances["a"] > 50 * MIB


def test_a_daemon_whose_workers_all_start_just_now_has_a_verdict_too() -> None:
    story = limited(100)
    assert [story.sample(-1).verdict for _ in range(3)] == [TAKE, WAIT, WAIT]
    assert story.sample(50).allowances == {}


# The reserve, and jobs that say what they need


@pytest.mark.parametrize(
    ("total_mib", "reserve_mib"),
    [(64, 16), (256, 64), (512, 128), (1024, 128), (2560, 128), (4000, 200), (64_000, 3200)],
)
def test_the_reserve_is_5_percent_at_least_128_mib_but_a_quarter_at_most(total_mib: int, reserve_mib: int) -> None:
    assert default_reserve(total_mib * MIB) == reserve_mib * MIB


@pytest.mark.parametrize(
    ("need_mib", "room_mib", "answer"),
    [
        (50, 50, True),
        (51, 50, False),
        (700, 50, False),
        (701, 50, None),
        (701, 5000, None),
        (0, 0, True),
        (1, -9, False),
    ],
)
def test_a_job_starts_now_or_later_or_never(need_mib: int, room_mib: int, answer: bool | None) -> None:
    """A machine of 1000 MiB with a reserve of 250, where a worker without a job takes 50."""
    assert fits(need_mib * MIB, room_mib * MIB, 1000 * MIB, 250 * MIB, 50 * MIB) is answer
