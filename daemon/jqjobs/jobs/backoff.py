"""When a failed job runs again: pure functions of the number of failures. The worker applies them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from jqjobs.base.clock import LONGEST_MS, Duration, duration_ms
from jqjobs.errors import InvalidOption

#: So many delays of a rule are published at most.
_PUBLISHED = 20


class Backoff(Protocol):
    """A rule that turns the number of failures so far (1 after the first) into a delay in ms."""

    def delay_ms(self, failures: int, rng: random.Random) -> int:
        """Return how long to wait before the next attempt."""
        ...


@dataclass(frozen=True, slots=True)
class Exponential:
    """Growing delays: the upper half of min(cap, base · factor^(failures-1)), at random.

    That spreads a crowd of jobs that failed together, and still says how long they are patient at least: ten attempts
    of the default outlast two hours, and end within four. ``jitter=False`` takes the upper end.
    """

    base: Duration = 10
    factor: float = 3.0
    cap: Duration = "1h"
    jitter: bool = True
    _base_ms: int = field(init=False, repr=False)
    _cap_ms: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.factor < math.inf:
            raise InvalidOption(f"factor {self.factor!r} makes no growing delays; use a number from 1 on")
        object.__setattr__(self, "_base_ms", duration_ms(self.base, "base"))
        object.__setattr__(self, "_cap_ms", duration_ms(self.cap, "cap"))

    def delay_ms(self, failures: int, rng: random.Random) -> int:
        """Return the delay after ``failures`` failures."""
        try:
            upper = min(self._cap_ms, self._base_ms * float(self.factor) ** (max(failures, 1) - 1))
        except OverflowError:  # the cap was passed long before
            upper = self._cap_ms if self._base_ms else 0
        return round(rng.uniform(upper / 2, upper) if self.jitter else upper)


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same delay each time."""

    delay: Duration = 30

    def delay_ms(self, failures: int, rng: random.Random) -> int:
        """Return the delay."""
        return duration_ms(self.delay, "delay")


@dataclass(frozen=True, slots=True)
class Delays:
    """One delay after another; the last one repeats."""

    delays: Sequence[Duration]

    def __post_init__(self) -> None:
        if not self.delays:
            raise InvalidOption("a list of delays needs at least one")
        for delay in self.delays:
            duration_ms(delay, "delay")

    def delay_ms(self, failures: int, rng: random.Random) -> int:
        """Return the delay after ``failures`` failures."""
        return duration_ms(self.delays[min(max(failures, 1), len(self.delays)) - 1], "delay")


def backoff_of(value: Backoff | Duration | Sequence[Duration] | None) -> Backoff:
    """Return the rule that a job's ``backoff=`` means: a rule, one delay, a list of delays, None for the default.

    Raises: InvalidOption.
    """
    if value is None:
        return Exponential()
    if isinstance(value, (Exponential, Fixed, Delays)) or hasattr(value, "delay_ms"):
        return value
    if isinstance(value, (list, tuple)):
        return Delays(tuple(value))
    duration_ms(value, "backoff")  # type: ignore[arg-type]  # refuses what is no duration
    return Fixed(value)  # type: ignore[arg-type]


def published_delays(rule: Backoff) -> list[int]:
    """Return the delays of a rule in ms, one a failure, the last one repeats; none for the default, or if it raises.

    The scripts go by them when no worker lived to report a failure (lua/rules/outcome/unreported_delay.lua).
    """
    if rule == Exponential():
        return []
    curve = replace(rule, jitter=False) if isinstance(rule, Exponential) else rule
    try:
        delays = [bounded_ms(curve.delay_ms(nth, random.Random(nth))) for nth in range(1, _PUBLISHED + 1)]
    except Exception:  # a rule of the user's own
        return []
    while len(delays) > 1 and delays[-1] == delays[-2]:
        delays.pop()
    return delays


def bounded_ms(delay_ms: float) -> int:
    """Return what a rule of the user's own has said as a delay that the store takes. Raises: ValueError, TypeError."""
    return max(0, min(LONGEST_MS, int(delay_ms)))


def respawn_delay_s(short_lives: int) -> float:
    """Return how long to wait before a worker is started again after it died early that often in a row."""
    delay: float = 0.0 if short_lives <= 1 else min(30.0, 0.25 * 2 ** min(short_lives - 2, 10))
    return delay
