"""When a schedule's ticks come: cron expressions in a time zone, or every so often. Pure decisions, no clock.

Ticks are moments in ms since the epoch. Apps check what they register here, daemons and jqctl ask when the
next tick comes, and what to do about ticks that nobody was there for. cronsim reads the expressions; it and
zoneinfo are loaded on first use, since daemons and jqctl mostly go without.

Daylight saving time is treated as Debian's cron does, crontab(5): a job at a fixed time runs once a day,
whatever the clock does; one whose minute or hour begins with "*" follows the clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Any, NamedTuple

from jqjobs.base.clock import LONGEST_MS, span_text
from jqjobs.base.nearest import nearest
from jqjobs.errors import ConfigError, InvalidOption

#: A tick that is no later than this is not missed, whatever the policy: daemons look every 2.5 s.
ON_TIME_MS = 10_000
#: So many missed ticks run at most, the latest ones.
MOST_MISSED = 100
#: The clock of Redis may go back by this much before ticks are counted from its new time.
CLOCK_SLACK_MS = 60_000
SHORTEST_MS = 1000

_LONGEST_CRON = 200
_DAY_S = 86_400
_NICKNAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_FIRST_SPAN_MS = 60_000


class Missed(StrEnum):
    """What becomes of ticks that came while no daemon was there to see them."""

    LATEST = "latest"  #: the latest of them runs
    SKIP = "skip"  #: none runs
    ALL = "all"  #: all run, at most `MOST_MISSED`


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of missed ticks. ``catch_up_ms``: those that came longer ago are skipped, whatever else holds."""

    missed: str = Missed.LATEST
    catch_up_ms: int = 3_600_000

    def __post_init__(self) -> None:
        if self.missed not in list(Missed):
            raise InvalidOption(f"missed {self.missed!r} is none of {', '.join(Missed)}")


@dataclass(frozen=True, slots=True)
class Timetable:
    """Either ``cron``, read in the time zone ``tz``, or every ``every_ms``, counted from the epoch.

    Raises: InvalidOption for what is no expression, no interval or no zone; ConfigError without a time zone database.
    """

    cron: str = ""
    every_ms: int = 0
    tz: str = "UTC"

    def __post_init__(self) -> None:
        zone = zone_of(self.tz)
        if bool(self.cron) == bool(self.every_ms):
            raise InvalidOption("a schedule is either a cron expression or every=…")
        if self.every_ms and not SHORTEST_MS <= self.every_ms <= LONGEST_MS:
            raise InvalidOption(f"every {self.every_ms} ms is not between a second and ten years")
        if self.cron:
            _check_cron(self.cron, zone)

    def after(self, ms: int) -> int | None:
        """Return the first tick after a moment, None when there is none within fifty years."""
        if self.every_ms:
            return (ms // self.every_ms + 1) * self.every_ms
        second = _next_second(_fields(self.cron), zone_of(self.tz), ms // 1000)
        return None if second is None else second * 1000

    def latest(self, after_ms: int, until_ms: int, most: int) -> list[int]:
        """Return the last ``most`` ticks after one moment and until another, the oldest first.

        However many there are, only about as many as are returned are looked at.
        """
        if self.every_ms:
            last, first = until_ms // self.every_ms, after_ms // self.every_ms + 1
            return [n * self.every_ms for n in range(max(first, last - most + 1), last + 1)]
        span_ms = _FIRST_SPAN_MS
        while True:
            start_ms = max(after_ms, until_ms - span_ms)
            found = deque(self._between(start_ms, until_ms), maxlen=most)
            if len(found) == most or start_ms == after_ms:
                return list(found)
            span_ms *= 4

    def _between(self, after_ms: int, until_ms: int) -> Iterator[int]:
        tick = self.after(after_ms)
        while tick is not None and tick <= until_ms:
            yield tick
            tick = self.after(tick)

    def __str__(self) -> str:
        if not self.every_ms:
            return self.cron if self.tz == "UTC" else f"{self.cron} {self.tz}"
        return f"every {span_text(self.every_ms)}"


class Due(NamedTuple):
    """What is to be done about a schedule now: enqueue these ticks, and count from ``since_ms`` on.

    ``missed``: the latest tick came too long ago to be run.
    """

    ticks: tuple[int, ...]
    since_ms: int
    missed: bool = False


def due(times: Timetable, policy: Policy, since_ms: int | None, now_ms: int) -> Due | None:
    """Decide what to do about the ticks after ``since_ms``; None when there is nothing to do.

    ``since_ms`` None, or in the future since the clock was set back: count from now on.
    """
    if since_ms is None or since_ms > now_ms + CLOCK_SLACK_MS:
        return Due((), now_ms)
    found = times.latest(since_ms, now_ms, MOST_MISSED if policy.missed == Missed.ALL else 1)
    if not found:
        return None
    oldest_ms = now_ms - (ON_TIME_MS if policy.missed == Missed.SKIP else max(ON_TIME_MS, policy.catch_up_ms))
    return Due(tuple(tick for tick in found if tick >= oldest_ms), found[-1], missed=found[-1] < oldest_ms)


def read_entry(entry: Mapping[str, Any]) -> tuple[Timetable, Policy]:
    """Return the timetable and policy of a stored schedule.

    Raises: InvalidOption for one that cannot be used, ConfigError without a time zone database.
    """
    cron, tz, missed = (entry.get(name) or default for name, default in (("cron", ""), ("tz", "UTC"), ("missed", "")))
    every_ms, catch_up_ms = (entry.get(name) or 0 for name in ("every_ms", "catch_up_ms"))
    texts_fit = all(isinstance(value, str) for value in (cron, tz, missed))
    if not texts_fit or not all(type(value) is int for value in (every_ms, catch_up_ms)):
        raise InvalidOption("it has fields of the wrong type")
    return Timetable(cron, every_ms, tz), Policy(missed or Missed.LATEST, catch_up_ms)


def next_tick(entry: Mapping[str, Any], after_ms: int) -> int | None:
    """Return when a stored schedule comes next; None: never again, or its entry cannot be used."""
    try:
        times, _ = read_entry(entry)
    except (InvalidOption, ConfigError):
        return None
    return before_end(entry, times.after(after_ms))


def before_end(entry: Mapping[str, Any], tick_ms: int | None) -> int | None:
    """Return a tick of a schedule, None when its end comes before."""
    until_ms = entry.get("until_ms")
    is_over = tick_ms is not None and isinstance(until_ms, int) and tick_ms > until_ms
    return None if is_over else tick_ms


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Raises: InvalidOption; ConfigError without a time zone database."""
    if name == "UTC":
        return UTC
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        if known := {each.lower(): each for each in zoneinfo.available_timezones()}:
            meant = known.get(nearest(str(name).lower(), known) or "")
            hint = f"did you mean {meant!r}?" if meant else "such as Europe/Paris"
            raise InvalidOption(f"tz {name!r} is no time zone", hint=hint) from None
    raise ConfigError(f"this host has no time zone database to find {name!r} in", hint="pip install tzdata")


def _check_cron(cron: str, zone: tzinfo) -> None:
    from cronsim import CronSimError

    if not isinstance(cron, str) or len(cron) > _LONGEST_CRON:
        raise InvalidOption(f"cron expression {cron!r} is no text of at most {_LONGEST_CRON} characters")
    try:
        has_ticks = _next_second(_fields(cron), zone, 0) is not None
    except CronSimError as error:
        hint = "five fields (minute hour day month weekday), or six with seconds before them"
        raise InvalidOption(f"cron expression {cron!r} cannot be read: {error}", hint=hint) from None
    if not has_ticks:
        raise InvalidOption(f"cron expression {cron!r} never comes")


def _fields(cron: str) -> list[str]:
    return _NICKNAMES.get(cron.strip().lower(), cron).split()


def _next_second(fields: list[str], zone: tzinfo, after_s: int) -> int | None:
    is_fixed = len(fields) == 5 and not fields[0].startswith("*") and not fields[1].startswith("*")
    find = _next_of_fixed if is_fixed else _next_of_clock
    return find(" ".join(fields), zone, after_s)


def _next_of_fixed(cron: str, zone: tzinfo, after_s: int) -> int | None:
    """Return the next second of a job at fixed times: in a gap right after it, in an overlap the first time only."""
    from cronsim import CronSim

    for found in CronSim(cron, datetime.fromtimestamp(after_s, zone)):
        if found.timestamp() > after_s:  # it may be behind us in the second round of an overlap
            return int(found.timestamp())
    return None


def _next_of_clock(cron: str, zone: tzinfo, after_s: int) -> int | None:
    """Return the next second at which the clock on the wall shows what the expression asks for.

    Found in stretches in which the clock runs evenly: cronsim 2.8 itself leaves out ticks around a change by half
    an hour (``*/10 5 * * *`` in Australia/Lord_Howe on 2026-10-04 begins at 5:30).
    """
    while (found_s := _next_at_offset(cron, _offset(zone, after_s + 1), after_s)) is not None:
        near_s = min(found_s, after_s + 2 * _DAY_S)
        change_s = _change(zone, after_s + 1, near_s)
        if change_s is not None:
            after_s = change_s - 1
        elif near_s == found_s:
            return found_s
        else:  # by no clock does anything come before, since none is a day off another
            after_s = found_s - 2 * _DAY_S + 1
    return None


def _next_at_offset(cron: str, offset: timedelta, after_s: int) -> int | None:
    from cronsim import CronSim

    found = next(CronSim(cron, datetime.fromtimestamp(after_s, timezone(offset))), None)
    return None if found is None else int(found.timestamp())


def _offset(zone: tzinfo, second: int) -> timedelta:
    return datetime.fromtimestamp(second, zone).utcoffset() or timedelta()


def _change(zone: tzinfo, first_s: int, last_s: int) -> int | None:
    """Return the second from which on the clock differs from ``first_s``, None when it is the same at ``last_s``."""
    offset = _offset(zone, first_s)
    if _offset(zone, last_s) == offset:
        return None
    while last_s - first_s > 1:
        middle_s = (first_s + last_s) // 2
        if _offset(zone, middle_s) == offset:
            first_s = middle_s
        else:
            last_s = middle_s
    return last_s
