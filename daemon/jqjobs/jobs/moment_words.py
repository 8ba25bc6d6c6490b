"""Reads a moment in words, such as ``"tomorrow 9am Europe/Paris"``, or in ISO 8601.

It is what a clock on the wall shows, in the zone that the text names, else in that of this process. What a clock shows
twice is the first of the two; what it leaps over comes as long after the leap as the text says (RFC 5545, 3.3.5:
`datetime` with fold 0).

dateparser reads the words. It guesses freely and drops what it does not know, so it is asked three times, about two
days of one text and at two times of day, and is believed only where no guess shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo

from jqjobs.errors import InvalidOption
from jqjobs.jobs.timetable import zone_of

_MOST_CHARACTERS = 100
_HINT = "write it like '2 days', 'tomorrow 9am', '2027-01-31 18:00 Europe/Paris'"

_MINUS = ("-", "\u2212")
_BEFORE_ZONE = re.compile(r"(.+?)\s+([A-Za-z_]+/[A-Za-z0-9_+/-]+|UTC|GMT|Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])")
_TIME = re.compile(r"(?:at\s+)?(?:noon|(?:[01]?[0-9]|2[0-3])(?::[0-5][0-9]){0,2}\s*(?:[ap]\.?m\.?)?)", re.IGNORECASE)
#: What Python makes of a span as text.
_TIMEDELTA = re.compile(r"\d+ days?, \d+:\d\d:\d\d(?:\.\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?!\d)")
_MONTH = re.compile(r"\b(jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)", re.IGNORECASE)
_NEXT_WEEKDAY = re.compile(r"\bnext\s+(mon|tue|wed|thu|fri|sat|sun)", re.IGNORECASE)
_VAGUE = re.compile(r"\b(morning|afternoon|evening|night|tonight|midnight)\b", re.IGNORECASE)
_MONTHS = re.compile(r"\b(\d+|an?)\s*(month|year)s?\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?!\d)(?!\s*(?:year|month|week|day|hour|minute)s?\b)", re.ASCII | re.IGNORECASE)


def understood(text: str, what: str, now_ms: int) -> datetime:
    """Return the moment that a text means, past ones too, in the zone that it names.

    Raises: InvalidOption, ConfigError.
    """
    if len(text) > _MOST_CHARACTERS:
        raise InvalidOption(f"{what} {text[:_MOST_CHARACTERS]!r}… is too long to be a moment", hint=_HINT)
    if text.strip()[:1] in _MINUS:
        raise InvalidOption(f"{what} {text!r} is negative", hint=_HINT)
    words = _BEFORE_ZONE.fullmatch(text.strip())
    zone = _zone(words[2]) if words else None
    now = datetime.fromtimestamp(now_ms / 1000, zone).replace(tzinfo=None, microsecond=0)
    try:
        found = _read(words[1] if words else text.strip(), now)
        # By way of the timestamp: of what the clock leaps over, what it shows then.
        return datetime.fromtimestamp(
            (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp(), UTC
        ).astimezone(zone)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidOption(f"{what} {text!r}: {error}", hint=_HINT) from None


def _zone(text: str) -> tzinfo:
    if text[0] in "+-":
        return datetime.fromisoformat(f"2000-01-01T00{text}").tzinfo or UTC
    return zone_of("UTC" if text in ("GMT", "Z") else text)


def shown(moment: datetime) -> str:
    """Return a moment for people: ``Friday 2027-01-01 09:00 CET``."""
    return f"{moment:%A %Y-%m-%d %H:%M} {moment.tzname() or ''}".rstrip()


def _read(text: str, now: datetime) -> datetime:
    """Return what a clock shows at that moment, with a zone where the text has an offset. Raises: ValueError."""
    day = date.fromisoformat(written[0]) if (written := _DATE.match(text)) else None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        found = _read_words(text, now)
    if day not in (None, found.date()):
        raise ValueError(f"it was understood as {shown(found)}, another day")
    return found


def _read_words(text: str, now: datetime) -> datetime:
    if vague := _VAGUE.search(text):
        raise ValueError(f"{vague[0]!r} says no exact time of day")
    if _TIMEDELTA.fullmatch(text):
        raise ValueError("it may be a time of day, or a span of hours, minutes and seconds")
    if _TIME.fullmatch(text):  # on the last day of a month dateparser takes the first of the same month for tomorrow
        today = _read_words(f"today {text}", now)
        return today if today > now else today + timedelta(days=1)
    other_time = now.replace(hour=(now.hour + 7) % 24, minute=(now.minute + 11) % 60)
    found, american, later = (
        _asked(text, base, order) for base, order in ((now, "DMY"), (now, "MDY"), (other_time, "DMY"))
    )
    if found is None or american is None or later is None:
        raise ValueError("it is not understood")
    for doubt in _doubts(text, now, found, american, later):
        raise ValueError(doubt)
    return found


def _doubts(text: str, now: datetime, found: datetime, american: datetime, later: datetime) -> Iterator[str]:
    if found.tzinfo is not None:
        yield "its zone is neither a name such as Europe/Paris nor +02:00; an abbreviation stands for several"
    if found != american:
        yield f"it may be {shown(found)} or {shown(american)}"
    if found > now and found.time() != later.time() and not _MONTHS.search(text):
        yield f"it says no time of day, or none that is understood; without, it is {shown(found)}"
    if _NEXT_WEEKDAY.search(text) and found.isocalendar()[:2] == now.isocalendar()[:2]:
        yield f"it may be {shown(found)} or a week later"
    # Numbers that dateparser does not know what to do with it leaves out.
    known = {found.year, found.month, found.day, found.hour, found.hour % 12 or 12, found.minute, found.second}
    if left_out := [number for number in _NUMBER.findall(text) if int(number) not in known]:
        yield f"it was understood as {shown(found)}, without the {left_out[0]}"


def _asked(text: str, now: datetime, order: str) -> datetime | None:
    import dateparser

    settings = {"RELATIVE_BASE": now, "PREFER_DATES_FROM": "future", "DATE_ORDER": order}
    if _MONTH.search(text):
        settings["REQUIRE_PARTS"] = ["day"]
    found: datetime | None = dateparser.parse(text, languages=["en"], settings=settings)
    return found
