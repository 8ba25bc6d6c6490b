"""Delays and moments as people write them: understood as they are meant, or refused with what was understood."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from jqjobs.errors import InvalidOption
from jqjobs.jobs.moments import check_due, due_text, moment_ms, wait_ms

PARIS = ZoneInfo("Europe/Paris")
#: Friday noon, two days before the clocks of Paris go forward.
FRIDAY = datetime(2026, 3, 27, 12, tzinfo=PARIS)
#: A Saturday morning, the day before they go back.
SATURDAY = datetime(2026, 10, 24, 7, tzinfo=PARIS)


@pytest.fixture(autouse=True)
def in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def read(text: str, now: datetime = FRIDAY) -> str:
    found = datetime.fromtimestamp(moment_ms(text, "delay", ms(now)) / 1000, PARIS)
    return f"{found:%a %d %b %Y %H:%M %z}"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("+1 minute", 60), ("2 days", 172_800), ("in 2 hours", 7200), ("now + 5 minutes", 300), ("an hour", 3600),
        ("10 minutes from now", 600), ("1 hour and 30 minutes", 5400), ("1 day, 2 hrs", 93_600), ("90", 90),
        ("5 Minutes", 300), ("In 5 MIN", 300), ("in one hour", 3600), ("half an hour", 1800),
        ("Ten minutes later", 600), ("5\u00a0minutes", 300), ("in\n2 hours", 7200),
    ],
)  # fmt: skip
def test_a_span_in_words_is_so_many_seconds_even_across_a_change_of_the_clock(text: str, span: int) -> None:
    assert due_text(text, "delay", ms(FRIDAY)) == f"+{span * 1000}"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("tomorrow 9am", "Sat 28 Mar 2026 09:00 +0100"),
        ("9am", "Sat 28 Mar 2026 09:00 +0100"),
        ("17:00", "Fri 27 Mar 2026 17:00 +0100"),
        ("tomorrow at 12:30pm", "Sat 28 Mar 2026 12:30 +0100"),
        ("noon tomorrow", "Sat 28 Mar 2026 12:00 +0100"),
        ("tomorrow 9am America/New_York", "Sat 28 Mar 2026 14:00 +0100"),
        ("monday 9am UTC", "Mon 30 Mar 2026 11:00 +0200"),
        ("friday 9am", "Fri 03 Apr 2026 09:00 +0200"),
        ("next monday 9am", "Mon 30 Mar 2026 09:00 +0200"),
        ("in 3 days 9am", "Mon 30 Mar 2026 09:00 +0200"),
        ("2 months", "Wed 27 May 2026 12:00 +0200"),
        ("5 march 9am", "Fri 05 Mar 2027 09:00 +0100"),
        ("december 24, 2026 at 9:30 pm", "Thu 24 Dec 2026 21:30 +0100"),
        ("2026-12-24", "Thu 24 Dec 2026 00:00 +0100"),
        ("2026-12-24 9am", "Thu 24 Dec 2026 09:00 +0100"),
        ("2026-12-24T09:00+02:00", "Thu 24 Dec 2026 08:00 +0100"),
        ("2026-12-24T09:00Z", "Thu 24 Dec 2026 10:00 +0100"),
        ("tomorrow 9am +02:00", "Sat 28 Mar 2026 08:00 +0100"),
        ("2026-12-24 09:00 -05:00", "Thu 24 Dec 2026 15:00 +0100"),
    ],
)
def test_a_moment_is_what_a_clock_on_the_wall_shows_in_its_zone(text: str, moment: str) -> None:
    assert read(text) == moment


def test_a_day_on_which_the_clock_changes_is_one_of_23_or_25_hours() -> None:
    assert read("day after tomorrow 9am") == "Sun 29 Mar 2026 09:00 +0200"
    assert read("tomorrow 9am", SATURDAY) == "Sun 25 Oct 2026 09:00 +0100"


def test_what_the_clock_leaps_over_comes_after_the_leap_and_what_it_shows_twice_the_first_time() -> None:
    assert read("sunday 2:30am") == read("2026-03-29 02:30") == "Sun 29 Mar 2026 03:30 +0200"
    assert read("tomorrow 2:30am", SATURDAY) == "Sun 25 Oct 2026 02:30 +0200"
    assert read("2026-11-01 01:30 America/New_York", SATURDAY) == "Sun 01 Nov 2026 06:30 +0100"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tomorrow", "says no time of day.* Saturday 2026-03-28 12:00"),
        ("tomorrow 9", "Saturday 2026-03-28 12:00"),
        ("tomorrow 25:00", "Saturday 2026-03-28 12:00"),
        ("next week", "says no time of day"),
        ("tomorrow morning", "'morning' says no exact time of day"),
        ("midnight", "'midnight' says no exact time of day"),
        ("1 day, 12:00:00", "may be a time of day, or a span"),
        ("01/02/2027 9am", "may be Monday 2027-02-01 09:00 or Saturday 2027-01-02 09:00"),
        ("next sunday 9am", "may be Sunday 2026-03-29 09:00 or a week later"),
        ("2027-13-01 9am", "month must be in 1..12"),
        ("tomorrow 9am \x1b[31m", "without the 31"),
        ("march 9am", "not understood"),
        ("tomorrow 9am EST", "abbreviation"),
        ("tomorrow 9am Nowhere/City", "no time zone"),
        ("today 9am", "is past: it was understood as Friday 2026-03-27 09:00 CET"),
        ("2 days ago", "is past: it was understood as Wednesday 2026-03-25 12:00 CET"),
        ("2026-03-27", "is past: it was understood as Friday 2026-03-27 00:00 CET"),
        ("1 jan 2040 8am", "more than ten years ahead: it was understood as Sunday 2040-01-01 08:00 CET"),
        ("9 o'clock or 10", "not understood"),
        ("whenever", "not understood"),
        ("-5s", "is negative"),
        ("\u22122 days", "is negative"),
        ("5 M", "says no time of day"),
        ("9am " * 50, "too long"),
    ],
)
def test_what_is_past_or_may_mean_several_moments_is_refused_with_what_was_understood(text: str, why: str) -> None:
    with pytest.raises(InvalidOption, match=f"(?s)(delay|tz) .*{why}"):
        read(text)


@pytest.mark.parametrize("text", ["9am", "at 9:00", "09:00:00", "9 a.m."])
def test_a_time_of_day_that_has_passed_is_that_of_tomorrow_on_the_last_day_of_a_month_and_of_a_year_too(
    text: str,
) -> None:
    assert read(text, datetime(2026, 11, 30, 12, tzinfo=PARIS)) == "Tue 01 Dec 2026 09:00 +0100"
    assert read(text, datetime(2026, 12, 31, 12, tzinfo=PARIS)) == "Fri 01 Jan 2027 09:00 +0100"
    assert read(text, datetime(2026, 12, 31, 8, tzinfo=PARIS)) == "Thu 31 Dec 2026 09:00 +0100"


def test_now_is_at_once() -> None:
    assert due_text("now", "delay", 0) == due_text(" Now", "due", 0) == ""


def test_a_bare_number_is_a_delay_and_no_moment() -> None:
    assert wait_ms("10", "delay", 0) == 10_000
    with pytest.raises(InvalidOption, match="neither a datetime nor a moment"):
        check_due("10")


def test_the_reader_of_words_is_imported_with_the_first_words() -> None:
    code = (
        "import sys; from jqjobs.jobs.moments import check_delay, check_due\n"
        "check_delay('2 days'); check_due('2027-01-01T09:00Z'); assert 'dateparser' not in sys.modules\n"
        "check_delay('tomorrow 9am'); assert 'dateparser' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
