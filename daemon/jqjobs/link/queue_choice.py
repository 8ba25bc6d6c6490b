"""Which queues a daemon serves, as --queues says: in their order, or each by its weight; by name, or by a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from jqjobs.errors import InvalidOption
from jqjobs.jobs.partitions import queue_of
from jqjobs.jobs.records import is_place

MAX_WEIGHT = 1000
_PATTERN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9_.*-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class QueueChoice:
    """``names`` and ``patterns`` empty: every queue of the app.

    ``weights``: one each, of the names and then of the patterns, or none: the first queue with work is served.
    ``patterns``: queues that have such a name take turns, also those that there are not yet.
    """

    names: tuple[str, ...] = ()
    weights: tuple[int, ...] = ()
    patterns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> QueueChoice:
        """Return what is written as ``a,b``, or with weights as ``a:3,b:1``; one that is not said is 1.

        A word with ``*`` is a pattern, such as ``tenant-*``: it comes after the names, or has a weight like those.
        Raises: InvalidOption.
        """
        chosen: dict[str, int | None] = {}
        for word in filter(None, map(str.strip, text.split(","))):
            name, colon, said = word.partition(":")
            weight = _weight(name, said) if colon else None
            if chosen.setdefault(name, weight) != weight:
                raise InvalidOption(f"it names the queue {name!r} twice, with another weight each; say it once")
        if not chosen:
            raise InvalidOption("it names no queue")
        has_weights = len(chosen) > 1 and any(chosen.values())
        names, patterns = _parted(list(chosen), has_weights=has_weights)
        weights = tuple(chosen[word] or 1 for word in (*names, *patterns)) if has_weights else ()
        return cls(names, weights, patterns)

    def has_turns(self, place: str) -> bool:
        """Return whether a queue, or a partition of it, is served by its turn: the queue is not named, and one of the
        patterns is like its name."""
        return queue_of(place) not in self.names and is_like(place, self.patterns)


def is_like(place: str, patterns: Iterable[str]) -> bool:
    """Return whether it is a queue, or a partition of one, that has a name like one of these patterns.

    ``*`` stands for any characters, or none.
    """
    return is_place(place) and any(_pattern(pattern).fullmatch(queue_of(place)) for pattern in patterns)


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.ASCII)


def _parted(words: list[str], *, has_weights: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names, patterns = [word for word in words if "*" not in word], [word for word in words if "*" in word]
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise InvalidOption(f"{pattern!r} is no pattern of queues; use letters, digits, _ . - and *: tenant-*")
    if not has_weights and words != names + patterns:
        hint = f"say {','.join(names + patterns)}, or give each a weight, as in {names[0]}:3,{patterns[0]}:1"
        raise InvalidOption(f"a pattern comes after the queues that are named; {hint}")
    return tuple(names), tuple(patterns)


def _weight(name: str, said: str) -> int:
    if re.fullmatch(r"\d{1,9}", said, re.ASCII) and 1 <= int(said) <= MAX_WEIGHT:
        return int(said)
    raise InvalidOption(f"the weight of {name!r} is {said!r}; use a whole number, 1 to {MAX_WEIGHT}, such as a:3,b:1")
