"""When ticks come, around real changes of clocks too, and what becomes of those that nobody was there for."""

from __future__ import annotations

import random
import subprocess
import sys
import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

import jqjobs
from jqjobs.errors import ConfigError, InvalidOption
from jqjobs.jobs.timetable import (
    CLOCK_SLACK_MS,
    MOST_MISSED,
    ON_TIME_MS,
    Due,
    Missed,
    Policy,
    Timetable,
    due,
    read_entry,
    zone_of,
)

NOON_MS = 1_767_268_800_000  # 2026-01-01 12:00 UTC
HOUR_MS = 3_600_000


def ms(moment: str, zone: str = "UTC") -> int:
    local = datetime.fromisoformat(moment)
    return round((local if local.tzinfo else local.replace(tzinfo=ZoneInfo(zone))).timestamp() * 1000)


def ticks(cron: str, zone: str, after: str, count: int) -> list[str]:
    """The next ticks after a moment of local time, as the wall clock shows them, with the offset."""
    times, at, found = Timetable(cron, 0, zone), ms(after, zone), []
    for _ in range(count):
        at = times.after(at) or 0
        found.append(datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).isoformat(" ", "minutes")[5:])
    return found


# Ordinary days


def test_every_so_often_is_counted_from_the_epoch_so_all_hosts_agree() -> None:
    times = Timetable(every_ms=30_000)
    assert times.after(NOON_MS - 1) == NOON_MS
    assert times.after(NOON_MS) == NOON_MS + 30_000
    assert times.after(NOON_MS + 29_999) == NOON_MS + 30_000


def test_a_tick_is_after_the_moment_and_never_at_it() -> None:
    times = Timetable("*/5 * * * *")
    assert times.after(NOON_MS - 1) == NOON_MS
    assert times.after(NOON_MS) == NOON_MS + 300_000
    assert times.after(NOON_MS + 1) == NOON_MS + 300_000


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 3 * * *", "2026-01-02 03:00"),
        ("0 9 * * MON-FRI", "2026-01-02 09:00"),
        ("0 9 * * 1", "2026-01-05 09:00"),
        ("0 0 L * *", "2026-01-31 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("*/20 * * * * *", "2026-01-01 12:00"),
        ("@hourly", "2026-01-01 13:00"),
        ("@Daily", "2026-01-02 00:00"),
        (" @yearly ", "2027-01-01 00:00"),
    ],
)
def test_expressions_are_read_as_cron_reads_them(cron: str, expected: str) -> None:
    found = datetime.fromtimestamp((Timetable(cron).after(NOON_MS + 500) or 0) / 1000, UTC)
    assert f"{found:%Y-%m-%d %H:%M}" == expected


def test_a_zone_moves_the_ticks() -> None:
    assert ticks("0 9 * * *", "America/New_York", "2026-01-10", 1) == ["01-10 09:00-05:00"]
    assert ticks("0 9 * * *", "America/New_York", "2026-07-10", 1) == ["07-10 09:00-04:00"]


# Clocks go forward


def test_paris_in_spring_a_fixed_time_in_the_gap_comes_right_after_it() -> None:
    assert ticks("30 2 * * *", "Europe/Paris", "2026-03-28 12:00", 2) == ["03-29 03:00+02:00", "03-30 02:30+02:00"]


def test_several_fixed_times_in_one_gap_are_one_tick() -> None:
    assert ticks("0,15,30 2 * * *", "Europe/Paris", "2026-03-28 12:00", 2) == [
        "03-29 03:00+02:00",
        "03-30 02:00+02:00",
    ]


def test_new_york_in_spring_a_fixed_time_in_the_gap_comes_right_after_it() -> None:
    assert ticks("30 2 * * *", "America/New_York", "2026-03-08", 2) == ["03-08 03:00-04:00", "03-09 02:30-04:00"]


def test_lord_howe_in_spring_has_a_gap_of_half_an_hour() -> None:
    assert ticks("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", 2) == ["10-04 02:30+11:00", "10-05 02:15+11:00"]
    assert ticks("45 2 * * *", "Australia/Lord_Howe", "2026-10-04", 1) == ["10-04 02:45+11:00"]


def test_what_follows_the_clock_leaves_the_gap_out() -> None:
    assert ticks("*/30 * * * *", "Europe/Paris", "2026-03-29 01:15", 3) == [
        "03-29 01:30+01:00",
        "03-29 03:00+02:00",
        "03-29 03:30+02:00",
    ]
    assert ticks("*/30 2 * * *", "Europe/Paris", "2026-03-29", 1) == ["03-30 02:00+02:00"]
    assert ticks("0 * * * *", "Australia/Lord_Howe", "2026-10-04 00:30", 2) == [
        "10-04 01:00+10:30",
        "10-04 03:00+11:00",
    ]


# Clocks go back


def test_paris_in_autumn_a_fixed_time_in_the_overlap_comes_once_the_first_time() -> None:
    assert ticks("30 2 * * *", "Europe/Paris", "2026-10-25", 2) == ["10-25 02:30+02:00", "10-26 02:30+01:00"]


def test_a_fixed_time_does_not_come_again_for_who_begins_in_the_second_round() -> None:
    assert ticks("30 2 * * *", "Europe/Paris", "2026-10-25 02:10+01:00", 1) == ["10-26 02:30+01:00"]


def test_new_york_in_autumn_a_fixed_time_in_the_overlap_comes_once() -> None:
    assert ticks("30 1 * * *", "America/New_York", "2026-11-01", 2) == ["11-01 01:30-04:00", "11-02 01:30-05:00"]


def test_lord_howe_in_autumn_repeats_half_an_hour() -> None:
    assert ticks("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", 2) == ["04-05 01:45+11:00", "04-06 01:45+10:30"]


def test_what_follows_the_clock_comes_in_both_rounds() -> None:
    assert ticks("*/30 2 * * *", "Europe/Paris", "2026-10-25", 5) == [
        "10-25 02:00+02:00", "10-25 02:30+02:00", "10-25 02:00+01:00", "10-25 02:30+01:00", "10-26 02:00+01:00",
    ]  # fmt: skip
    assert ticks("45 * * * *", "Australia/Lord_Howe", "2026-04-05 01:00+11:00", 3) == [
        "04-05 01:45+11:00", "04-05 01:45+10:30", "04-05 02:45+10:30",
    ]  # fmt: skip


def test_the_second_round_is_not_passed_over_for_next_year() -> None:
    assert ticks("*/30 2 25 10 *", "Europe/Paris", "2026-10-25 02:30+02:00", 3) == [
        "10-25 02:00+01:00", "10-25 02:30+01:00", "10-25 02:00+02:00",
    ]  # fmt: skip


def test_after_a_change_by_half_an_hour_the_whole_hour_still_begins_at_its_beginning() -> None:
    assert ticks("*/10 5 * * *", "Australia/Lord_Howe", "2026-10-04", 2) == ["10-04 05:00+11:00", "10-04 05:10+11:00"]


def test_every_so_often_takes_no_notice_of_any_clock_on_the_wall() -> None:
    times, start = Timetable(every_ms=HOUR_MS), ms("2026-10-24T23:30Z")
    assert [times.after(start + n * HOUR_MS) for n in range(3)] == [
        start + HOUR_MS // 2 + n * HOUR_MS for n in range(3)
    ]


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Europe/Paris", "2026-03-29T01:00Z"), ("Europe/Paris", "2026-10-25T01:00Z"),
        ("America/New_York", "2026-03-08T07:00Z"), ("America/New_York", "2026-11-01T06:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00Z"), ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
        ("Africa/Cairo", "2026-04-23T22:00Z"), ("Africa/Cairo", "2026-10-29T21:00Z"),
    ],
)  # fmt: skip
def test_around_a_change_what_follows_the_clock_is_what_the_clock_on_the_wall_shows(zone: str, change: str) -> None:
    rng, middle_s = random.Random(change), ms(change) // 1000
    day = datetime.fromtimestamp(middle_s, ZoneInfo(zone)).day
    for _ in range(4):
        minute, hour = rng.choice([("*/7", "*"), ("*", "1-3"), ("*/10", "*/2"), ("45", "*"), ("*/30", "0")])
        cron = f"{minute} {hour} {rng.choice(['*', str(day)])} * *"
        seconds = range(middle_s - 4 * 3600, middle_s + 5 * 3600, 60)
        shown = [second * 1000 for second in seconds if _shows(cron, zone, second)]

        found = Timetable(cron, 0, zone).latest(seconds[0] * 1000 - 1, seconds[-1] * 1000, 10_000)
        assert found == shown, cron


def _shows(cron: str, zone: str, second: int) -> bool:
    """Whether the expression matches what the wall clock shows: asked of cronsim without any zone."""
    wall = datetime.fromtimestamp(second, ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    return next(CronSim(cron, wall - timedelta(seconds=1))) == wall


# The latest ticks


@pytest.mark.parametrize("times", [Timetable(every_ms=7000), Timetable("*/7 * * * *"), Timetable("5 3 * * *")])
def test_the_latest_ticks_are_the_last_of_all_ticks(times: Timetable) -> None:
    start, end = NOON_MS, NOON_MS + 40 * HOUR_MS
    every, at = [], start
    while (at := times.after(at) or 0) <= end:
        every.append(at)

    for most in (1, 2, 100):
        assert times.latest(start, end, most) == every[-most:]
    assert times.latest(every[0], every[0], 5) == []
    assert times.latest(end, start, 5) == []


def test_the_latest_tick_of_a_year_of_seconds_takes_no_year_to_find() -> None:
    times = Timetable("* * * * * *")
    asked = 0

    class Counted(Timetable):
        def after(self, ms: int) -> int | None:
            nonlocal asked
            asked += 1
            return times.after(ms)

    assert Counted("* * * * * *").latest(NOON_MS - 8760 * HOUR_MS, NOON_MS, 1) == [NOON_MS]
    assert asked < 100
    assert len(Counted("* * * * * *").latest(NOON_MS - 24 * HOUR_MS, NOON_MS, 100)) == 100
    assert asked < 1000


# What is due


LATEST, SKIP, ALL = (Policy(missed, 10 * HOUR_MS) for missed in Missed)
HOURLY = Timetable("0 * * * *")


def test_nothing_is_due_between_two_ticks() -> None:
    assert due(HOURLY, LATEST, NOON_MS, NOON_MS + HOUR_MS - 1) is None


@pytest.mark.parametrize("policy", [LATEST, SKIP, ALL])
def test_a_tick_that_is_on_time_is_run_by_any_policy(policy: Policy) -> None:
    tick = NOON_MS + HOUR_MS
    assert due(HOURLY, policy, NOON_MS, tick) == Due((tick,), tick)
    assert due(HOURLY, policy, NOON_MS, tick + ON_TIME_MS) == Due((tick,), tick)


def test_what_is_on_time_needs_no_catching_up() -> None:
    tick = NOON_MS + HOUR_MS
    assert due(HOURLY, Policy(catch_up_ms=0), NOON_MS, tick + 3000) == Due((tick,), tick)


def test_of_missed_ticks_the_latest_one_runs() -> None:
    now = NOON_MS + 5 * HOUR_MS + HOUR_MS // 2
    assert due(HOURLY, LATEST, NOON_MS, now) == Due((NOON_MS + 5 * HOUR_MS,), NOON_MS + 5 * HOUR_MS)


def test_a_miss_that_is_too_old_is_counted_as_done_and_said() -> None:
    nightly, last, tick = Timetable("0 3 * * *"), ms("2026-01-01T03:00Z"), ms("2026-01-02T03:00Z")
    policy = Policy(catch_up_ms=HOUR_MS)
    assert due(nightly, policy, last, tick + HOUR_MS) == Due((tick,), tick)
    assert due(nightly, policy, last, tick + HOUR_MS + 1) == Due((), tick, missed=True)


def test_skip_runs_nothing_that_is_late() -> None:
    tick = NOON_MS + HOUR_MS
    assert due(HOURLY, SKIP, NOON_MS, tick + ON_TIME_MS + 1) == Due((), tick, missed=True)


def test_all_runs_all_that_are_young_enough_and_at_most_a_hundred() -> None:
    now = NOON_MS + 12 * HOUR_MS + HOUR_MS // 2
    found = due(HOURLY, ALL, NOON_MS, now)
    assert found == Due(tuple(NOON_MS + n * HOUR_MS for n in range(3, 13)), NOON_MS + 12 * HOUR_MS)
    often = due(Timetable(every_ms=1000), ALL, NOON_MS, NOON_MS + HOUR_MS)
    assert often is not None
    assert len(often.ticks) == MOST_MISSED
    assert often.since_ms == often.ticks[-1] == NOON_MS + HOUR_MS


def test_who_does_not_know_since_when_to_count_counts_from_now() -> None:
    assert due(HOURLY, LATEST, None, NOON_MS) == Due((), NOON_MS)


def test_a_clock_that_went_back_is_followed_but_not_by_a_little() -> None:
    assert due(HOURLY, LATEST, NOON_MS + CLOCK_SLACK_MS + 1, NOON_MS) == Due((), NOON_MS)
    assert due(HOURLY, LATEST, NOON_MS + CLOCK_SLACK_MS, NOON_MS) is None


# What is refused


@pytest.mark.parametrize(
    "cron",
    ["* * * *", "60 * * * *", "0 0 30 2 *", "x", "@often", "* * * * * * *", "0 0 * 2 MON#6", "*" * 300, "٣ * * * *"],
)
def test_what_is_no_cron_expression_is_refused_with_the_reason(cron: str) -> None:
    with pytest.raises(InvalidOption, match="cron expression"):
        Timetable(cron)


def test_an_expression_that_never_comes_is_refused() -> None:
    with pytest.raises(InvalidOption, match="never comes"):
        Timetable("* * */20 * 1L")


@pytest.mark.parametrize("every_ms", [1, 999, 10**15, -1000])
def test_an_interval_is_between_a_second_and_ten_years(every_ms: int) -> None:
    with pytest.raises(InvalidOption, match="ten years"):
        Timetable(every_ms=every_ms)


@pytest.mark.parametrize("given", [{}, {"cron": "* * * * *", "every_ms": 1000}])
def test_a_timetable_is_one_or_the_other(given: dict[str, object]) -> None:
    with pytest.raises(InvalidOption, match="either"):
        Timetable(**given)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "Europe", "../../etc/passwd", "", "a\0b", "CET/"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidOption, match="no time zone"):
        zone_of(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("utc", "'UTC'"), ("europe/paris", "'Europe/Paris'"), ("Europe/Pars", "'Europe/Paris'"), ("qqqq", "such as")],
)
def test_of_a_time_zone_that_is_not_there_the_nearest_is_named(name: str, meant: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        zone_of(name)
    assert meant in refused.value.hint


def test_a_host_without_a_time_zone_database_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(ConfigError, match="no time zone database") as raised:
        zone_of("Europe/Nowhere")
    assert "tzdata" in raised.value.hint
    assert Timetable("0 3 * * *").after(NOON_MS), "UTC needs none"


@pytest.mark.parametrize(
    "entry",
    [{}, {"cron": 5}, {"every_ms": "1s"}, {"every_ms": True}, {"cron": "* * * * *", "missed": "often"},
     {"cron": "* * * * *", "tz": ["UTC"]}, {"every_ms": 1000.5}, {"every_ms": 1000, "catch_up_ms": "1h"}],
)  # fmt: skip
def test_a_stored_entry_that_cannot_be_used_is_an_error_and_no_crash(entry: dict[str, object]) -> None:
    with pytest.raises(InvalidOption):
        read_entry(entry)


def test_a_stored_entry_is_read_with_its_defaults() -> None:
    assert read_entry({"every_ms": 1000}) == (Timetable(every_ms=1000), Policy("latest", 0))
    full = {"cron": "0 3 * * *", "tz": "Europe/Paris", "missed": "all", "catch_up_ms": 5}
    assert read_entry(full) == (Timetable("0 3 * * *", 0, "Europe/Paris"), Policy("all", 5))


def test_it_says_when_it_comes() -> None:
    assert str(Timetable(every_ms=90_000)) == "every 90s"
    assert str(Timetable(every_ms=2 * HOUR_MS)) == "every 2h"
    assert str(Timetable("0 3 * * *")) == "0 3 * * *"
    assert str(Timetable("0 3 * * *", 0, "Europe/Paris")) == "0 3 * * * Europe/Paris"


def test_who_has_no_cron_expression_pays_for_none() -> None:
    code = (
        "import sys; from jqjobs.jobs.timetable import Timetable; Timetable(every_ms=1000).after(5); "
        "print(sorted({'cronsim', 'zoneinfo'} & set(sys.modules)))"
    )
    root = str(Path(jqjobs.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": root}, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_ticks_go_on_for_years() -> None:
    times, at, found = Timetable("30 2 * * SUN", 0, "Europe/Paris"), ms("2026-01-01T00:00Z"), []
    for _ in range(300):
        at = times.after(at) or 0
        found.append(datetime.fromtimestamp(at / 1000, ZoneInfo("Europe/Paris")))

    assert all(b > a for a, b in pairwise(found))
    assert {day.weekday() for day in found} == {6}
    assert {day.strftime("%H:%M") for day in found} == {"02:30", "03:00"}, "03:00 once a year"
