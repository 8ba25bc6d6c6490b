"""Time as jqjobs uses it: durations people write, and the clock that goes on during suspend.

Owns no wall clock: due times and leases are decided by the clock of Redis, inside the scripts.
"""

from __future__ import annotations

import re
import time
from datetime import timedelta

from jqjobs.errors import InvalidOption

Duration = int | float | str | timedelta

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_WORDS = {
    "millisecond": "ms", "sec": "s", "second": "s", "min": "m", "minute": "m", "hr": "h", "hour": "h", "day": "d",
    "week": "w",
}  # fmt: skip
_WORDS_MS = _UNITS_MS | {word + end: _UNITS_MS[unit] for word, unit in _WORDS.items() for end in ("", "s")}
_NUMBERS = {
    "half an": 0.5, "half a": 0.5, "an": 1, "a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
}  # fmt: skip
_PART = re.compile(rf"(\d+(?:\.\d+)?|(?:{'|'.join(_NUMBERS)})(?=\s))\s*([a-z]+)", re.ASCII)
#: Words may begin with capitals; a letter alone may not: M stands for months as well.
_WORD = re.compile(r"[A-Za-z]{2,}")
_DURATION = re.compile(rf"{_PART.pattern}(?:(?:\s*,\s*|\s+and\s+|\s*){_PART.pattern})*", re.ASCII)

#: Longest delay, time limit or retention that is taken seriously: ten years, in ms.
LONGEST_MS = 10 * 366 * 86_400_000

# CLOCK_BOOTTIME (clock_gettime(2)) counts suspended time too; macOS has only the monotonic clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def monotonic_ms() -> int:
    """Return milliseconds since boot: one scale for all processes of the host."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


def duration_ms(value: Duration, what: str = "duration") -> int:
    """Return a duration in whole milliseconds; negative means 0.

    Accepts seconds as a number, text as `span_ms` reads it, and timedelta.
    Raises: InvalidOption for anything else, and for more than ten years.
    """
    ms = _to_ms(value, what)
    if ms > LONGEST_MS:
        raise InvalidOption(f"{what} {value!r} is longer than ten years")
    return max(0, int(ms))


def _to_ms(value: Duration, what: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds() * 1000
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value != value:
            raise InvalidOption(f"{what} is not a number")
        return value * 1000 if abs(value) < 1e15 else LONGEST_MS + 1
    if isinstance(value, str):
        if (span := span_ms(value)) is not None:
            return span
        if re.fullmatch(r"-?\d+(\.\d+)?", value, re.ASCII):
            return float(value) * 1000
    raise InvalidOption(f"{what} {value!r} is not a duration; write seconds or text such as '90s', '10m', '1h30m'")


def span_ms(text: str) -> float | None:
    """Return the ms of ``"90s"``, ``"1h30m"``, ``"2 Days"``, ``"one hour and 30 minutes"``; None for any other text."""
    text = _WORD.sub(lambda word: word[0].lower(), text)
    parts = _PART.findall(text) if _DURATION.fullmatch(text) else ()
    if not parts or any(unit not in _WORDS_MS for _, unit in parts):
        return None
    return sum((_NUMBERS.get(number) or float(number)) * _WORDS_MS[unit] for number, unit in parts)


def span_text(ms: int) -> str:
    """Return a duration as `duration_ms` reads it, in one unit: ``90s``, ``2h``, ``1500ms``."""
    unit = max((unit for unit, size in _UNITS_MS.items() if ms % size == 0), key=lambda unit: _UNITS_MS[unit])
    return f"{ms // _UNITS_MS[unit]}{unit}"


def format_age(seconds: float) -> str:
    """Return an age for people: ``850ms``, ``12s``, ``3m05s``, ``2h10m``, ``4d03h``."""
    if seconds < 1:
        return f"{max(0, int(seconds * 1000))}ms"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"
