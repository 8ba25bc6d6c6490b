"""Which errors are worth another attempt: ``retry_on`` and ``discard_on`` of a job. Workers apply it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jqjobs.errors import Discard, InvalidOption, JobCancelled, JobInterrupted, JobTimeout, Retry
from jqjobs.jobs.snooze import Snooze

ErrorTypes = type[BaseException] | Iterable[type[BaseException]]

#: What becomes of these is said by themselves.
_OWN = (Retry, Snooze, Discard, JobTimeout, JobCancelled, JobInterrupted)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Types of errors. Of all bases of an error the nearest one that is named decides.

    An error that nobody names is worth another attempt, unless ``retry_on`` names those that are.
    """

    retry_on: tuple[type[BaseException], ...] = ()
    discard_on: tuple[type[BaseException], ...] = ()

    def discards(self, error: BaseException) -> bool:
        """Whether no further attempt would help."""
        kind = type(error)
        if not (self.retry_on or self.discard_on) or issubclass(kind, _OWN):
            return False
        for base in kind.__mro__:
            if base in self.discard_on:
                return True
            if base in self.retry_on:
                return False
        return bool(self.retry_on)


NO_VERDICTS = Verdicts()


def verdicts_of(retry_on: ErrorTypes, discard_on: ErrorTypes) -> Verdicts:
    """Return what two options of a job mean. Raises: InvalidOption."""
    found = Verdicts(_types(retry_on, "retry_on"), _types(discard_on, "discard_on"))
    for kind in found.retry_on:
        if kind in found.discard_on:
            raise InvalidOption(f"{kind.__name__} is named by retry_on and by discard_on")
    return found


def _types(given: Any, option: str) -> tuple[type[BaseException], ...]:
    if not isinstance(given, (type, tuple, list, set, frozenset)):
        raise InvalidOption(f"{option} {given!r} is no list of exception types")
    types = (given,) if isinstance(given, type) else tuple(given)
    for kind in types:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidOption(f"{option} names {kind!r}, which is no type of exceptions")
        if issubclass(kind, _OWN):
            raise InvalidOption(f"{option} names {kind.__name__}, of which it is fixed what it does")
    return types
