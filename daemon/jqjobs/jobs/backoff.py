"""When a failed job runs again: pure functions of the number of failures. The worker applies them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jqjobs.base.clock import Duration, duration_ms
from jqjobs.errors import InvalidOption


class Backoff(Protocol):
    """A rule that turns the number of failures so far (1 after the first) into a delay in ms."""

    def delay_ms(self, failures: int, rng: random.Random) -> int:
        """Return how long to wait before the next attempt."""
        ...


@dataclass(frozen=True, slots=True)
class Exponential:
    """Doubling delays with full jitter: between 0 and min(cap, base · factor^(failures-1)).

    Full jitter spreads a crowd of jobs that failed together better than any fixed curve
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). ``jitter=False`` takes the upper end.
    """

    base: Duration = 5
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
        return round(rng.uniform(0, upper) if self.jitter else upper)


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


def respawn_delay_s(short_lives: int) -> float:
    """Return how long to wait before a worker is started again after it died early that often in a row."""
    delay: float = 0.0 if short_lives <= 1 else min(30.0, 0.25 * 2 ** min(short_lives - 2, 10))
    return delay
