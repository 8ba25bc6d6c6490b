"""Rate and concurrency limits: what a job is registered with, and the text that the scripts read of it.

Pure values. A producer computes the limits of each call from its arguments, the worker does it for calls that came as
raw envelopes; both store the same text with the job. Who may start and who waits is decided in lua/rules/limits/.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from jqjobs.base.clock import LONGEST_MS
from jqjobs.errors import InvalidOption
from jqjobs.jobs.argument_text import check_form, filled_in, names_in
from jqjobs.jobs.options import check_integer

#: The times of so many starts are remembered. A larger rate is split into fractions of its window.
MOST_STARTS = 1000
MAX_MOST = 1_000_000
MAX_NAME_BYTES = 128
#: The text of a call that has no limits, though its job may have some.
UNLIMITED = "-"
_KEY = "the limit's key"

#: What may be in the name of a limit as it is: printable, no space; "~" marks a name that is a digest.
_PLAIN_NAME = re.compile(r"[!-}]+")
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``most`` starts in any interval as long as ``seconds`` + ``minutes`` + ``hours`` + ``days``.

    ``key``: what is limited; ``{name}`` in it stands for an argument of the call. None: the job. Limits of one
    queue with the same key and interval are one limit, whichever jobs have them. More than 1,000 are spread:
    10,000 a day are at most 1,000 in any 2.4 hours.
    """

    most: int
    seconds: float = 0
    minutes: float = 0
    hours: float = 0
    days: float = 0
    key: str | None = None

    def __post_init__(self) -> None:
        _check_most(self.most)
        spans = (self.seconds, self.minutes, self.hours, self.days)
        if not all(_is_span(span) for span in spans) or not 1 <= self.window_ms <= LONGEST_MS:
            raise InvalidOption(
                f"a rate limit of {self.most} needs an interval, at most ten years",
                hint="RateLimit(10, seconds=1), or minutes=, hours=, days=",
            )
        check_form(self.key, _KEY)

    @property
    def window_ms(self) -> int:
        """The length of the interval."""
        seconds = self.seconds + 60 * self.minutes + 3600 * self.hours + 86400 * self.days
        return round(1000 * seconds) if seconds * 1000 <= LONGEST_MS else LONGEST_MS + 1

    def text(self, key: str) -> str:
        """Return the limit as lua/rules/limits/gate.lua reads it."""
        parts = -(-self.most // MOST_STARTS)
        window_ms = -(-self.window_ms // parts)  # rounded up: so many of these cover the interval
        return f"r {self.most // parts} {window_ms} {limit_name(key, _span_text(window_ms))}"


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most ``most`` of these running at the same time, on all hosts together. ``key``: as of `RateLimit`."""

    most: int
    key: str | None = None

    def __post_init__(self) -> None:
        _check_most(self.most)
        check_form(self.key, _KEY)

    def text(self, key: str) -> str:
        """Return the limit as lua/rules/limits/gate.lua reads it."""
        return f"c {self.most} 0 {limit_name(key, 'running')}"


#: A limit that depends on the call: a function of the arguments by name; None means no limit for this one.
RateRule = RateLimit | Callable[[Mapping[str, Any]], RateLimit | None]
ConcurrencyRule = Concurrency | Callable[[Mapping[str, Any]], Concurrency | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one job."""

    rate: RateRule | None = None
    concurrency: ConcurrencyRule | None = None

    def __post_init__(self) -> None:
        for what, rule, kind in (("rate_limit", self.rate, RateLimit), ("concurrency", self.concurrency, Concurrency)):
            if rule is not None and not isinstance(rule, kind) and not _is_function(rule):
                raise InvalidOption(f"{what} {rule!r} is neither a {kind.__name__} nor a function that returns one")

    def __bool__(self) -> bool:
        return self.rate is not None or self.concurrency is not None

    def check(self, parameters: Collection[str]) -> None:
        """Raise InvalidOption when a key names an argument that no call can have."""
        for rule in (self.rate, self.concurrency):
            key = rule.key if isinstance(rule, (RateLimit, Concurrency)) else None
            unknown = ", ".join(sorted(names_in(key or "") - set(parameters)))
            if unknown:
                raise InvalidOption(f"the limit's key {key!r} names {unknown}, which is no parameter of the job")

    def text(self, job_name: str, arguments: Mapping[str, Any]) -> str:
        """Return the limits of one call as the scripts read them. ``arguments``: by name, with defaults.

        Raises: InvalidArguments when a key cannot be made of them, InvalidOption when a function returns no
        limit, and what such a function raises.
        """
        found = []
        for rule, kind in ((self.rate, RateLimit), (self.concurrency, Concurrency)):
            limit = _decided(rule, arguments)
            if limit is None:
                continue
            if not isinstance(limit, kind):
                raise InvalidOption(f"a function that decides about limits returned {limit!r}, not a {kind.__name__}")
            found.append(limit.text(filled_in(limit.key, arguments, _KEY) if limit.key is not None else job_name))
        return " ".join(found) or UNLIMITED


NO_LIMITS = Limits()


def limit_name(key: str, unit: str) -> str:
    """Return the name of a limit, part of Redis keys: ``reports:7/1s``; a digest where that is long or odd."""
    name = f"{key}/{unit}"
    if len(name) <= MAX_NAME_BYTES and _PLAIN_NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{re.sub('[^!-}]', '_', key)[:64]}~{digest}/{unit}"


def _decided(
    rule: RateRule | ConcurrencyRule | None, arguments: Mapping[str, Any]
) -> RateLimit | Concurrency | None:  # fmt: skip
    if rule is None or isinstance(rule, (RateLimit, Concurrency)):
        return rule
    return rule(arguments)


def _is_function(rule: object) -> bool:
    return callable(rule) and not isinstance(rule, type)


def _check_most(most: int | None) -> None:
    if most is None:
        raise InvalidOption("a limit needs a number")
    check_integer(most, "a limit of", range(1, MAX_MOST + 1))


def _is_span(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _span_text(ms: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if ms % size == 0)
    return f"{ms // size}{unit}"
