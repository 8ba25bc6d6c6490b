"""Which queues a daemon serves, as --queues says: in their order, or each by its weight."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jqjobs.errors import InvalidOption

MAX_WEIGHT = 1000


@dataclass(frozen=True, slots=True)
class QueueChoice:
    """``names`` empty: every queue of the app. ``weights``: one each, or none: the first one with work is served."""

    names: tuple[str, ...] = ()
    weights: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> QueueChoice:
        """Return what is written as ``a,b``, or with weights as ``a:3,b:1``; one that is not said is 1.

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
        weights = tuple(weight or 1 for weight in chosen.values())
        return cls(tuple(chosen), weights if len(weights) > 1 and any(chosen.values()) else ())


def _weight(name: str, said: str) -> int:
    if re.fullmatch(r"\d{1,9}", said, re.ASCII) and 1 <= int(said) <= MAX_WEIGHT:
        return int(said)
    raise InvalidOption(f"the weight of {name!r} is {said!r}; use a whole number, 1 to {MAX_WEIGHT}, such as a:3,b:1")
