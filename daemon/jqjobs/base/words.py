"""Words for people: moments, numbers, lists, and what somebody may have meant."""

from __future__ import annotations

import time
from collections.abc import Sequence

from jqjobs.base.nearest import did_you_mean

#: A hint names so many.
_MOST_LISTED = 8


def moment(ms: int | None) -> str:
    """Return a time (ms since the epoch) in UTC, to the second; "-" for None."""
    if ms is None:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(ms / 1000))
    except (OverflowError, ValueError, OSError):  # a number that is no time of any clock
        return f"{ms} ms"


def number(value: int | None) -> str:
    """Return a number that may be unknown, as "?" then."""
    return "?" if value is None else str(value)


def plural(count: int, word: str) -> str:
    """Return ``no jobs``, ``1 job``, ``2 jobs``."""
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Return the first words of a list, with "…" for those that are left out."""
    return ", ".join(words[:_MOST_LISTED]) + (", …" if len(words) > _MOST_LISTED else "")


def known_words(word: str, known: Sequence[str], what: str) -> str:
    """Return the hint for a word that is not known: the one that it is like, and which there are."""
    return " ".join(filter(None, (did_you_mean(word, known), f"known {what}: {listed(known) or 'none yet'}")))
